//go:build cgo

package cpu

// #if defined(__clang__)
// #define COMPILER "clang " __clang_version__
// #elif defined(__GNUC__)
// #define COMPILER "gcc " __VERSION__
// #else
// #define COMPILER "unknown"
// #endif
// #if defined(__FAST_MATH__)
// #define MATH " fast-math"
// #else
// #define MATH ""
// #endif
// #if defined(__OPTIMIZE__)
// #define OPTIMIZED ""
// #else
// #define OPTIMIZED " -O0"
// #endif
// static const char *compiler(void) { return COMPILER MATH OPTIMIZED; }
import "C"

// Compiler names what compiled the C code of this package, with whatever in its flags may change a number.
func Compiler() string { return C.GoString(C.compiler()) }

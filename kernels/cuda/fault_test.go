//go:build cuda && cgo

package cuda

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/textground/textground/kernels"
)

// inChild runs check in a process of its own, because a process has one driver, and returns what it printed. The settings
// are those of the emulator's driver.
func inChild(t *testing.T, check func(), settings ...string) string {
	t.Helper()
	if os.Getenv("TEXTGROUND_TEST_CHILD") == t.Name() {
		check()
		os.Exit(0)
	}
	if d := os.Getenv("TEXTGROUND_CUDA_DRIVER"); d == "" || d == "libcuda.so.1" {
		t.Skip("TEXTGROUND_CUDA_DRIVER does not name the emulator's driver, whose cards fail on demand: make test-cuda builds it")
	}
	c := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	c.Env = append(append(os.Environ(), "TEXTGROUND_TEST_CHILD="+t.Name()), settings...)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// mustOpen is for children.
func mustOpen() *device {
	d, err := open(0, BFloat16)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	return d
}

func printError(_ *device, err error) { fmt.Println(err) }

func want(t *testing.T, got string, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(got, word) {
			t.Errorf("nothing says %q: %s", word, got)
		}
	}
}

func TestACardThatIsTooOldIsRefused(t *testing.T) {
	got := inChild(t, func() { printError(open(0, BFloat16)) }, "TG_EMU_SM=75")
	want(t, got, "open device cuda:0: ", " has compute capability 7.5: the kernels need 8.0 (A100) or newer")
}

func TestACardThatIsNotThereIsRefused(t *testing.T) {
	got := inChild(t, func() { printError(open(2, BFloat16)) }, "TG_EMU_DEVICES=2")
	want(t, got, "open device cuda:2: this machine has 2 NVIDIA cards, counted from 0")
}

func TestEveryCardIsDescribedAndOpens(t *testing.T) {
	got := inChild(t, func() {
		s, err := Describe()
		fmt.Println(err, s.CUDA, len(s.Cards))
		for _, c := range s.Cards {
			fmt.Println(c.Index, c.SM, c.Free > 0, c.Free <= c.Total, c.Kernels)
			d, err := open(c.Index, Float32)
			fmt.Println(d.Name(), err, d.Close())
		}
	}, "TG_EMU_DEVICES=3", "TG_EMU_SM=80")
	want(t, got, "<nil> 13.0 3\n", "0 80 true true portable\n", "2 80 true true portable\n", "-float32 <nil> <nil>\n")
}

func TestAFullCardPanicsWithItsNumbers(t *testing.T) {
	got := inChild(t, func() {
		d := mustOpen()
		defer d.Close()
		defer func() { fmt.Println(recover().(OutOfMemory)) }()
		d.Alloc(kernels.Float32, 1<<20)
		d.Alloc(kernels.Float32, 40<<20)
	}, "TG_EMU_MEMORY=134217728")
	want(t, got, "cuda:0 (", "out of memory: 160 MiB asked for, 4 MiB in use by tensors; the card has ", " MiB free of 128 MiB")
}

// The arena asks for more than is needed at first, and then for what is needed alone.
func TestACardIsFilledToItsEnd(t *testing.T) {
	inChild(t, func() {
		d := mustOpen()
		defer d.Close()
		for range 11 {
			d.Alloc(kernels.Float32, 2500<<10)
		}
	}, "TG_EMU_MEMORY=134217728")
}

func TestAPlanThatDoesNotFitIsAnError(t *testing.T) {
	got := inChild(t, func() {
		d := mustOpen()
		defer d.Close()
		fmt.Println(d.Reserve(1 << 30))
		x := d.Alloc(kernels.Float32, 10) // the device is as good as before
		d.AddTo(x, x)
		fmt.Println("then", d.Sync())
	}, "TG_EMU_MEMORY=134217728")
	want(t, got, "reserve 1024 MiB: CUDA_ERROR_OUT_OF_MEMORY (", "then <nil>")
}

func TestACardThatVanishesIsNamedWithKernelAndErrorEverAfter(t *testing.T) {
	for _, late := range []string{"0", "1"} { // the error comes at once, or when somebody waits
		got := inChild(t, func() {
			d := mustOpen()
			x := d.Alloc(kernels.Float32, 10)
			for range 5 {
				d.AddTo(x, x)
			}
			first := d.Sync()
			fmt.Println(first)
			d.Upload(x, make([]float32, 10))
			d.Free(x, d.Alloc(kernels.Float32, 10))
			d.Free(d.Alloc(kernels.Float32, 64<<20), d.Alloc(kernels.Float32, 64<<20)) // more than the arena has
			fmt.Println(d.Download(make([]float32, 10), x).Error() == first.Error())
			d.Close()
		}, "TG_EMU_FAIL_AFTER=3", "TG_EMU_LAZY="+late)
		want(t, got, "cuda:0 (", "kernel addto", "CUDA_ERROR_", "\ntrue\n")
	}
}

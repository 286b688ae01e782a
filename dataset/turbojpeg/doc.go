// Package turbojpeg decodes JPEGs with libjpeg-turbo where the machine has it: several times faster than Go's decoder, and able
// to halve, quarter or eighth a picture while it decodes, and to leave out what nobody will look at.
//
// [Open] looks for the library at run time (libturbojpeg.so.0: Debian's libturbojpeg0, Ubuntu's libturbojpeg, Fedora's
// turbojpeg); nothing is needed to build, and a binary starts without it. A [Library] knows the digest of its file, because
// another release may round differently: package dataset puts it into the name of the decoder, and so into a run's device class.
//
// Leaving out takes libjpeg beside TurboJPEG, from the same build (libjpeg.so.62: Debian's libjpeg62-turbo; libjpeg.so.8: Ubuntu's
// libjpeg-turbo8). Where that is missing, or of another build, pictures are decoded whole, to the same pixels and with the same errors.
//
// Package dataset calls it, and dataset/ingest, which stays in a file's planes ([Planar]). It trusts nothing to the library but pixels: size, number of scans and colour model have been
// judged before, and whatever the library so much as warns about is an error, for Go's decoder to judge.
package turbojpeg

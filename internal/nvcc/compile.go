package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/textground/textground/kernels/cuda/bin"
)

// target is one kind of output.
type target struct {
	name  string // the architecture, as nvcc calls it
	flags []string
}

var (
	portable = []target{
		{"sm_80", []string{"-cubin", "-arch=sm_80"}},
		{"sm_90a", []string{"-cubin", "-arch=sm_90a"}},
		{"compute_80", []string{"-ptx", "-arch=compute_80"}},
	}
	hopper = portable[1:2]
)

// common flags. Nothing depends on the folder: no line information, sources named relative to kernels/cuda.
var common = []string{"-std=c++17", "-O3", "-Xptxas", "-v", "-Werror", "all-warnings"}

// job is one source for one target.
type job struct {
	source string
	target target
}

// jobs lists what the sources in dir become, in order.
func jobs(dir string) (all []job, err error) {
	sources, err := filepath.Glob(filepath.Join(dir, "*.cu"))
	for _, path := range sources {
		source := filepath.Base(path)
		targets := portable
		if strings.HasPrefix(source, "hopper_") {
			targets = hopper
		}
		for _, t := range targets {
			all = append(all, job{source, t})
		}
	}
	return all, err
}

// output is the file that the job makes.
func (j job) output() string {
	extension := ".cubin"
	if j.target.flags[0] == "-ptx" {
		extension = ".ptx"
	}
	return strings.TrimSuffix(j.source, ".cu") + "." + j.target.name + extension
}

// compile makes the job's file in out and says what is in it.
func (j job) compile(t toolchain, sources, out string) (bin.Module, error) {
	file := filepath.Join(out, j.output())
	flags := append(append([]string{}, common...), j.target.flags...)
	text, err := t.output(sources, "nvcc", append(flags, "-o", file, j.source)...)
	if err != nil {
		return bin.Module{}, err
	}
	image, err := os.ReadFile(file)
	if err != nil {
		return bin.Module{}, err
	}
	m := bin.Module{File: j.output(), Source: j.source, Target: j.target.name, SHA256: bin.Digest(image), Kernels: report(text)}
	if strings.HasSuffix(file, ".cubin") {
		if err := disassemble(t, file, m.Kernels); err != nil {
			return m, err
		}
	}
	return m, j.examine(m)
}

var (
	entryLine    = regexp.MustCompile(`Compiling entry function '(\w+)'`)
	spillLine    = regexp.MustCompile(`(\d+) bytes spill stores, (\d+) bytes spill loads`)
	registerLine = regexp.MustCompile(`Used (\d+) registers`)
	sharedLine   = regexp.MustCompile(`(\d+) bytes smem`)
)

// report reads what ptxas prints about each kernel.
func report(text string) (kernels []bin.Kernel) {
	for line := range strings.Lines(text) {
		if m := entryLine.FindStringSubmatch(line); m != nil {
			kernels = append(kernels, bin.Kernel{Name: m[1]})
		}
		if len(kernels) == 0 {
			continue
		}
		k := &kernels[len(kernels)-1]
		if m := spillLine.FindStringSubmatch(line); m != nil {
			k.Spilled += number(m[1]) + number(m[2])
		}
		if m := registerLine.FindStringSubmatch(line); m != nil {
			k.Registers = number(m[1])
		}
		if m := sharedLine.FindStringSubmatch(line); m != nil {
			k.Shared = number(m[1])
		}
	}
	return kernels
}

func number(digits string) int {
	n, err := strconv.Atoi(digits)
	if err != nil {
		panic(err) // the expressions above match digits only
	}
	return n
}

var sectionLine = regexp.MustCompile(`^\s*\.section\s+\.text\.(\w+)`)

// disassemble notes the tensor-core instructions of each kernel.
func disassemble(t toolchain, cubin string, kernels []bin.Kernel) error {
	text, err := t.output(".", "nvdisasm", cubin)
	if err != nil {
		return err
	}
	found := map[string]map[string]bool{}
	section := ""
	for line := range strings.Lines(text) {
		if m := sectionLine.FindStringSubmatch(line); m != nil {
			section = m[1]
			found[section] = map[string]bool{}
		}
		for _, instruction := range []string{"HMMA", "HGMMA", "UTMALDG"} {
			if section != "" && strings.Contains(line, " "+instruction+".") {
				found[section][instruction] = true
			}
		}
	}
	for i := range kernels {
		for _, instruction := range []string{"HMMA", "HGMMA", "UTMALDG"} {
			if found[kernels[i].Name][instruction] {
				kernels[i].Instructions = append(kernels[i].Instructions, instruction)
			}
		}
	}
	return nil
}

// examine is the acceptance of a compiled module.
func (j job) examine(m bin.Module) error {
	for _, k := range m.Kernels {
		if k.Spilled > 0 {
			return fmt.Errorf("%s: kernel %s spills %d bytes of registers for %s", j.source, k.Name, k.Spilled, j.target.name)
		}
		instruction := ""
		switch {
		case strings.HasPrefix(j.source, "hopper_") && strings.Contains(k.Name, "_bf16"):
			instruction = "HGMMA"
		case strings.Contains(k.Name, "_bf16"):
			instruction = "HMMA"
		}
		if instruction != "" && strings.HasSuffix(m.File, ".cubin") && !k.Has(instruction) {
			return fmt.Errorf("%s: kernel %s for %s has no %s", j.source, k.Name, j.target.name, instruction)
		}
	}
	return nil
}

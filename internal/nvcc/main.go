package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/textground/textground/kernels/cuda/bin"
)

const (
	sources   = "kernels/cuda"
	committed = "kernels/cuda/bin"
	venv      = ".tools/nvcc"
)

func main() {
	check := flag.Bool("check", false, "build elsewhere and compare with what is committed")
	installOnly := flag.Bool("install", false, "only install the compiler")
	flag.Parse()
	if err := build(*check, *installOnly); err != nil {
		fmt.Fprintln(os.Stderr, "nvcc:", err)
		os.Exit(1)
	}
}

func build(check, installOnly bool) error {
	t, err := install(venv)
	if err != nil || installOnly {
		return err
	}
	fresh, err := os.MkdirTemp("", "textground-kernels-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(fresh)
	manifest, err := compileAll(t, fresh)
	if err != nil {
		return err
	}
	table(manifest)
	if check {
		return compare(manifest)
	}
	return replace(fresh, manifest)
}

// compileAll makes every file in out and describes them.
func compileAll(t toolchain, out string) (m bin.Manifest, err error) {
	all, err := jobs(sources)
	if err != nil {
		return m, err
	}
	if m.Sources, err = bin.SourceDigests(os.DirFS(sources)); err != nil {
		return m, err
	}
	m.Compiler, m.Flags = wheels, common
	m.Modules = make([]bin.Module, len(all))
	var group errgroup.Group
	group.SetLimit(runtime.NumCPU())
	for i, j := range all {
		group.Go(func() (err error) {
			m.Modules[i], err = j.compile(t, sources, out)
			return err
		})
	}
	return m, group.Wait()
}

func table(m bin.Manifest) {
	fmt.Printf("%-28s %-11s %9s %7s  %s\n", "kernel", "target", "registers", "shared", "instructions")
	for _, module := range m.Modules {
		for _, k := range module.Kernels {
			fmt.Printf("%-28s %-11s %9d %7d  %v\n", k.Name, module.Target, k.Registers, k.Shared, k.Instructions)
		}
	}
}

// compare fails at the first file that differs from the committed one.
func compare(m bin.Manifest) error {
	have, err := bin.Load()
	if err != nil {
		return err
	}
	if len(have.Modules) != len(m.Modules) {
		return fmt.Errorf("%s holds %d modules, the sources make %d: run `make kernels`", committed, len(have.Modules), len(m.Modules))
	}
	for i, module := range m.Modules {
		if have.Modules[i].File != module.File || have.Modules[i].SHA256 != module.SHA256 {
			return fmt.Errorf("%s/%s is not what %s compiles to: run `make kernels`", committed, module.File, module.Source)
		}
	}
	fmt.Printf("%d modules, each the committed bytes\n", len(m.Modules))
	return nil
}

// replace puts the fresh files in place of the committed ones.
func replace(fresh string, m bin.Manifest) error {
	for _, pattern := range []string{"*.cubin", "*.ptx"} {
		old, err := filepath.Glob(filepath.Join(committed, pattern))
		if err != nil {
			return err
		}
		for _, path := range old {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	for _, module := range m.Modules {
		image, err := os.ReadFile(filepath.Join(fresh, module.File))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(committed, module.File), image, 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(committed, "manifest.json"), m.JSON(), 0o644)
}

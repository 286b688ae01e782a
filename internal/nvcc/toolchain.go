package main

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

//go:embed toolchain.txt
var wheels string

// toolchain is an installed compiler.
type toolchain struct{ bin string }

// install puts the wheels into a virtual environment in dir, once.
func install(dir string) (toolchain, error) {
	stamp := filepath.Join(dir, "toolchain.txt")
	if have, err := os.ReadFile(stamp); err != nil || string(have) != wheels {
		fmt.Println("installing the compiler into " + dir)
		if err := run("python3", "-m", "venv", "--clear", dir); err != nil {
			return toolchain{}, err
		}
		pip := []string{"install", "--quiet", "--disable-pip-version-check"}
		if err := run(filepath.Join(dir, "bin", "pip"), append(pip, strings.Fields(wheels)...)...); err != nil {
			return toolchain{}, err
		}
		if err := os.WriteFile(stamp, []byte(wheels), 0o644); err != nil {
			return toolchain{}, err
		}
	}
	found, err := filepath.Glob(filepath.Join(dir, "lib", "python3*", "site-packages", "nvidia", "cu13", "bin"))
	if err != nil || len(found) != 1 {
		return toolchain{}, fmt.Errorf("no compiler below %s: delete the folder and try again", dir)
	}
	programs, err := filepath.Abs(found[0])
	return toolchain{programs}, err
}

// output runs one of the toolchain's programs in dir and returns what it printed.
func (t toolchain) output(dir, program string, args ...string) (string, error) {
	c := exec.Command(filepath.Join(t.bin, program), args...)
	c.Dir = dir
	text, err := c.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", program, strings.Join(args, " "), err, text)
	}
	return string(text), nil
}

func run(program string, args ...string) error {
	if text, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", program, strings.Join(args, " "), err, text)
	}
	return nil
}

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/textground/textground/kernels/cuda"
	"github.com/textground/textground/kernels/devices"
	"github.com/textground/textground/store"
)

// check is one line of doctor: what was looked at, what was found, what that means, what mends it.
type check struct {
	Check       string `json:"check"`
	Result      string `json:"result"`
	OK          bool   `json:"ok"`
	Consequence string `json:"consequence,omitempty"`
	Mend        string `json:"mend,omitempty"`
}

func newDoctor() *cobra.Command {
	var asJSON bool
	var url string
	c := &cobra.Command{
		Use: "doctor", Short: "What this machine can do, what it lacks, and what that costs", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			checks := slices.Concat([]check{checkCores(), checkDevice("cpu"), checkDevice("ref")}, checkCards(),
				[]check{checkLoopback(), checkRunsDir(), checkStore(c, url)})
			if asJSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(checks)
			}
			table := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
			for _, k := range checks {
				mark := "ok"
				if !k.OK {
					mark = "--"
				}
				fmt.Fprintf(table, "%s\t%s\t%s\n", mark, k.Check, k.Result)
				if k.Consequence != "" {
					fmt.Fprintf(table, "\t\t  so: %s\n", k.Consequence)
				}
				if k.Mend != "" {
					fmt.Fprintf(table, "\t\t  mend: %s\n", k.Mend)
				}
			}
			table.Flush()
			fmt.Fprintln(c.ErrOrStderr(), "next: textground demo")
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON list")
	c.Flags().StringVar(&url, "store", "file://runs/store", "store to try: file://DIR or s3://BUCKET/PREFIX")
	return c
}

func checkCores() check {
	return check{Check: "processor", Result: fmt.Sprintf("%d cores, %s/%s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH), OK: true}
}

func checkDevice(name string) check {
	k := check{Check: "device " + name}
	dev, err := devices.Open(name, 0)
	if err != nil {
		k.Result, k.Consequence, k.Mend = err.Error(), "runs use the reference kernels: correct, not fast", "build with CGO_ENABLED=1 and gcc: make build"
		return k
	}
	defer dev.Close()
	k.Result, k.OK = dev.Name(), true
	return k
}

// checkCards looks for an NVIDIA driver and tells what each card is and which kernels it gets.
func checkCards() []check {
	system, err := cuda.Describe()
	if errors.Is(err, cuda.ErrNotBuilt) {
		return []check{{Check: "NVIDIA cards", Result: "not looked for: " + err.Error(), Consequence: "this build computes on processors alone"}}
	}
	if err != nil {
		return []check{{Check: "NVIDIA cards", Result: err.Error(), Consequence: "runs compute on processors", Mend: "where there is a card, see docs/gpu.md"}}
	}
	checks := []check{{Check: "NVIDIA driver", Result: fmt.Sprintf("%s, for CUDA %s, %d cards", system.Driver, system.CUDA, len(system.Cards)), OK: true}}
	if missing := system.Missing; len(missing) > 0 {
		checks[0].Result += fmt.Sprintf("; lacks %d functions that are not needed, such as %s", len(missing), strings.Join(missing[:min(3, len(missing))], ", "))
	}
	for _, c := range system.Cards {
		k := check{Check: fmt.Sprintf("device cuda:%d", c.Index), OK: c.SM >= cuda.LeastSM}
		k.Result = fmt.Sprintf("%s, sm_%d, %d MiB free of %d; kernels: %s", c.Name, c.SM, c.Free>>20, c.Total>>20, c.Kernels)
		checks = append(checks, k)
	}
	return checks
}

func checkLoopback() check {
	k := check{Check: "loopback listener"}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		k.Result, k.Consequence = err.Error(), "coordinator and workers cannot find each other"
		return k
	}
	_ = l.Close()
	k.Result, k.OK = "works", true
	return k
}

func checkRunsDir() check {
	k := check{Check: "directory " + runsDir}
	err := os.MkdirAll(runsDir, 0o755)
	if err == nil {
		var f *os.File
		if f, err = os.CreateTemp(runsDir, ".doctor-*"); err == nil {
			err = errors.Join(f.Close(), os.Remove(f.Name()))
		}
	}
	if err != nil {
		k.Result, k.Consequence, k.Mend = err.Error(), "runs cannot be recorded", "choose another with --dir"
		return k
	}
	absolute, _ := filepath.Abs(runsDir)
	k.Result, k.OK = absolute+" can be written", true
	return k
}

func checkStore(c *cobra.Command, url string) check {
	k := check{Check: "store " + url}
	st, err := openStore(c.Context(), url)
	if err == nil {
		err = store.Probe(c.Context(), st)
	}
	if err != nil {
		k.Result, k.Consequence = err.Error(), "no run can keep its checkpoints there"
		return k
	}
	k.Result, k.OK = "creates each object once and reads what it wrote", true
	return k
}

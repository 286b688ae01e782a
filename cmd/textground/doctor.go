package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"text/tabwriter"

	"github.com/spf13/cobra"

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
			checks := []check{checkCores(), checkDevice("cpu"), checkDevice("ref"), checkGPU(), checkLoopback(), checkRunsDir(), checkStore(c, url)}
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

// checkGPU says honestly that this build has no CUDA inside.
func checkGPU() check {
	k := check{Check: "NVIDIA GPU", Result: "none found", Consequence: "this build computes on processors alone"}
	if _, err := os.Stat("/dev/nvidia0"); err == nil {
		k.Result = "a card is there"
	}
	return k
}

func checkLoopback() check {
	k := check{Check: "loopback listener"}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		k.Result, k.Consequence = err.Error(), "coordinator and workers cannot find each other"
		return k
	}
	l.Close()
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

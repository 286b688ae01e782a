package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/textground/textground/checkpoint/safetensors"
	"github.com/textground/textground/internal/golden"
	"github.com/textground/textground/kernels/devices"
)

func newVerify() *cobra.Command {
	var device string
	var threads int
	var details, asJSON bool
	c := &cobra.Command{
		Use: "verify FILE...", Short: "Replay golden files on a device and print the error of every group of tensors", Args: cobra.MinimumNArgs(1),
		Long:    "Replay golden files (docs/goldens.md) on a device: the acceptance test of its numbers, and the first thing to run on a new one.\nExit code 1 when a tensor is outside its bound.",
		Example: "  textground verify internal/golden/testdata/tiny_p1.safetensors\n  textground verify --device ref --details FILE.safetensors",
		RunE: func(c *cobra.Command, args []string) error {
			dev, err := devices.Open(device, threads)
			if err != nil {
				return badInput(err.Error())
			}
			defer dev.Close()
			wrong := 0
			for _, name := range args {
				data, err := os.ReadFile(name)
				if err != nil {
					return badInput(fmt.Sprintf("golden file: %v", err))
				}
				file, err := safetensors.Read(data)
				if err != nil {
					return badInput(fmt.Sprintf("golden file %s: %v; it is no whole safetensors file, copy it again", name, err))
				}
				report, err := golden.Replay(name, file, dev)
				if err != nil {
					return badInput(fmt.Sprintf("golden file %v; take the file as its reference wrote it (docs/goldens.md)", err))
				}
				switch {
				case asJSON:
					if err := json.NewEncoder(c.OutOrStdout()).Encode(report); err != nil {
						return err
					}
				case details:
					fmt.Fprint(c.OutOrStdout(), report.Details())
				default:
					fmt.Fprint(c.OutOrStdout(), report)
				}
				if !report.OK() {
					wrong++
				}
			}
			if wrong > 0 {
				return fmt.Errorf("%d of %d files are outside their bounds on %s", wrong, len(args), dev.Name())
			}
			return nil
		},
	}
	c.Flags().StringVar(&device, "device", "auto", "cuda[:N], cpu, ref or auto")
	c.Flags().IntVar(&threads, "threads", 0, "threads (0: all cores)")
	c.Flags().BoolVar(&details, "details", false, "every tensor, not only the worst of each group")
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a file")
	return c
}

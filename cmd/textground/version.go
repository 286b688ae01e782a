package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/textground/textground/kernels/devices"
)

func newVersion() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "version", Short: "Which build this is: equal classes give equal bits", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			info := map[string]string{"version": moduleVersion(), "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH}
			for _, name := range devices.Names() {
				class, err := classOf(name)
				if err != nil {
					class = "not available: " + err.Error()
				}
				info["class_"+name] = class
			}
			if asJSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(info)
			}
			fmt.Fprintf(c.OutOrStdout(), "textground %s, %s, %s\n", info["version"], info["go"], info["platform"])
			for _, name := range devices.Names() {
				fmt.Fprintf(c.OutOrStdout(), "device class %-4s %s\n", name, info["class_"+name])
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return c
}

func moduleVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(unknown)"
}

// classOf opens the device of that name for a moment and returns the class of runs on it.
func classOf(name string) (string, error) {
	dev, err := devices.Open(name, 1)
	if err != nil {
		return "", err
	}
	defer dev.Close()
	return deviceClass(dev.Name())
}

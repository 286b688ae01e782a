package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/textground/textground/internal/buildid"
	"github.com/textground/textground/kernels/devices"
)

// versionReport is what version says, for --json too.
type versionReport struct {
	Version  string            `json:"version"`
	Revision string            `json:"revision,omitempty"` // of version control, where the build was stamped
	Platform string            `json:"platform"`
	BuildID  string            `json:"build_id"`
	Build    buildid.Build     `json:"build"`
	Classes  map[string]string `json:"classes"` // by device; what cannot be opened is absent
}

func newVersion() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "version", Short: "Which build this is: equal classes give equal bits", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			report, err := describeVersion()
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(report)
			}
			report.tell(c.OutOrStdout())
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return c
}

func describeVersion() (versionReport, error) {
	r := versionReport{Version: "(unknown)", Platform: runtime.GOOS + "/" + runtime.GOARCH, Classes: map[string]string{}}
	var err error
	if r.Build, err = thisBuild(); err != nil {
		return r, err
	}
	r.BuildID = r.Build.ID()
	if info, ok := debug.ReadBuildInfo(); ok {
		r.Version, r.Revision = info.Main.Version, revision(info)
	}
	for _, name := range devices.Names() {
		if class, err := classOf(name); err == nil {
			r.Classes[name] = class
		}
	}
	return r, nil
}

// revision is the commit that version control stamped into the binary, marked where files had changed since.
func revision(info *debug.BuildInfo) string {
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	if settings["vcs.modified"] == "true" {
		return settings["vcs.revision"] + ", modified"
	}
	return settings["vcs.revision"]
}

func (r versionReport) tell(out io.Writer) {
	fmt.Fprintf(out, "textground %s, build %s, %s\n", r.Version, r.BuildID, r.Platform)
	if r.Revision != "" {
		fmt.Fprintf(out, "revision          %s\n", r.Revision)
	}
	c := r.Build.C
	if c == "" {
		c = "no C kernels"
	}
	fmt.Fprintf(out, "compilers         %s, %s, for %s\n", r.Build.Go, c, r.Build.Target)
	fmt.Fprintf(out, "sources           %s\n", r.Build.Sources)
	for _, name := range devices.Names() {
		if class, ok := r.Classes[name]; ok {
			fmt.Fprintf(out, "device class %-4s %s\n", name, class)
		}
	}
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

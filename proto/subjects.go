package proto

import (
	"fmt"
	"regexp"
)

// Names of runs and workers become tokens of subjects and of store keys.
var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// CheckName refuses a run id or worker name that is no safe token.
func CheckName(kind, name string) error {
	if !namePattern.MatchString(name) {
		return fmt.Errorf("%s %q: use 1 to 63 of a-z, 0-9 and -, beginning with a letter or digit", kind, name)
	}
	return nil
}

// A worker's subjects carry its name, so a server's permissions can hold it to them: it publishes tg.<run>.up.<worker>.> and
// tg.<run>.state.<worker>.*.>, and hears tg.<run>.cmd.>, tg.<run>.red.> and tg.<run>.state.*.<worker>.>.

// OrdersSubject is where the coordinator's orders go to all workers.
func OrdersSubject(run string) string { return "tg." + run + ".cmd.all" }

// ReportSubject is where a worker's reports go.
func ReportSubject(run, worker string) string { return "tg." + run + ".up." + worker + ".report" }

// PartSubject is where a worker sends the chunks of its parts.
func PartSubject(run, worker string) string { return "tg." + run + ".up." + worker + ".part" }

// PullSubject is where a worker asks for reduced chunks.
func PullSubject(run, worker string) string { return "tg." + run + ".up." + worker + ".pull" }

// ReadySubject is where the coordinator says which reduced chunks can be pulled.
func ReadySubject(run string) string { return "tg." + run + ".red.ready" }

// StateSubject is where worker from asks worker to for its state.
func StateSubject(run, from, to string) string {
	return "tg." + run + ".state." + from + "." + to + ".get"
}

// SpecSubject is where a worker asks what the run is.
func SpecSubject(run, worker string) string { return "tg." + run + ".up." + worker + ".spec" }

// QuestionSubject is where an ingester asks its leader.
func QuestionSubject(run, name string) string { return "tg." + run + ".ask." + name }

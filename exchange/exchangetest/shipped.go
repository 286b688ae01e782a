package exchangetest

import (
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
)

// StartShipped starts a server on a free port from the configuration that is shipped, deploy/nats/server.conf at the given path, and
// returns its address. Its roles have the passwords that [Password] returns.
func StartShipped(t *testing.T, config string) (url string) {
	t.Helper()
	for _, user := range []string{"coordinator", "viewer", "worker-1", "worker-2", "leader", "ingester-1"} {
		t.Setenv("TEXTGROUND_"+strings.ToUpper(strings.ReplaceAll(user, "-", "_"))+"_PASSWORD", Password(user))
	}
	options, err := server.ProcessConfigFile(config)
	if err != nil {
		t.Fatal(err)
	}
	options.Port, options.NoSigs, options.NoLog = server.RANDOM_PORT, true, true
	s, err := server.NewServer(options)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	return s.ClientURL()
}

// Password is that of a user of the server.
func Password(user string) string { return "pw-" + user }

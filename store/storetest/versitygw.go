package storetest

import (
	"bufio"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Bucket is the one bucket of a gateway that StartVersityGW started.
const Bucket = "textground"

// StartVersityGW starts a real S3 server over a fresh directory, on a loopback port, until the test ends. The program is
// looked for in TEXTGROUND_VERSITYGW, in PATH and in .tools of the repository; without it the test is skipped.
func StartVersityGW(t testing.TB) (endpoint, access, secret string) {
	t.Helper()
	program := findVersityGW()
	if program == "" {
		t.Skip("skipped: no versitygw (set TEXTGROUND_VERSITYGW, or run: GOBIN=$PWD/.tools go install github.com/versity/versitygw/cmd/versitygw@v1.8.0)")
	}
	access, secret = "test-access", "test-secret-Q7w"
	const attempts = 5 // another process may take the port that was free a moment ago
	for range attempts {
		address, err := startGateway(t, program, access, secret)
		if err == nil {
			return "http://" + address, access, secret
		}
		t.Logf("versitygw did not start: %v", err)
	}
	t.Fatalf("versitygw did not start in %d attempts", attempts)
	return "", "", ""
}

// SetS3 starts a gateway, points the S3 variables of the environment at it for the length of the test, and returns the
// address of its bucket for store.Open.
func SetS3(t *testing.T) (url string) {
	t.Helper()
	endpoint, access, secret := StartVersityGW(t)
	t.Setenv("TEXTGROUND_S3_ENDPOINT", endpoint)
	t.Setenv("AWS_ACCESS_KEY_ID", access)
	t.Setenv("AWS_SECRET_ACCESS_KEY", secret)
	t.Setenv("AWS_SESSION_TOKEN", "")
	t.Setenv("AWS_REGION", "us-east-1")
	return "s3://" + Bucket
}

func findVersityGW() string {
	if program := os.Getenv("TEXTGROUND_VERSITYGW"); program != "" {
		return program
	}
	if program, err := exec.LookPath("versitygw"); err == nil {
		return program
	}
	program := filepath.Join(repositoryRoot(), ".tools", "versitygw")
	if _, err := os.Stat(program); err != nil {
		return ""
	}
	return program
}

// repositoryRoot is the directory of go.mod, above the package under test.
func repositoryRoot() string {
	dir, err := os.Getwd()
	for err == nil && dir != filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		dir = filepath.Dir(dir)
	}
	return ""
}

// startGateway starts the program and returns once it listens.
func startGateway(t testing.TB, program, access, secret string) (address string, err error) {
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, Bucket), 0o755); err != nil {
		return "", err
	}
	if address, err = freeAddress(); err != nil {
		return "", err
	}
	args := []string{"--port", address, "--access", access, "--secret", secret, "posix"}
	if !hasAttributes(root) {
		args = append(args, "--sidecar", t.TempDir())
	}
	command := exec.Command(program, append(args, root)...)
	command.Stderr = os.Stderr
	out, err := command.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := command.Start(); err != nil {
		return "", err
	}
	listens := make(chan bool, 1)
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		readBanner(bufio.NewScanner(out), address, listens)
	}()
	stop := func() {
		_ = command.Process.Kill()
		<-drained
		_ = command.Wait()
	}
	if !<-listens {
		stop()
		return "", errors.New("it ended without listening")
	}
	t.Cleanup(stop)
	return address, nil
}

// readBanner waits for the line that names the address, answers that it is there, and reads on so that the server never
// blocks on its output.
func readBanner(lines *bufio.Scanner, address string, listens chan<- bool) {
	found := false
	for lines.Scan() {
		if !found && strings.Contains(lines.Text(), "http://"+address) {
			found = true
			listens <- answers(address)
		}
	}
	if !found {
		listens <- false
	}
}

// answers connects to address. The banner may come a moment before the socket, so a refusal is tried again.
func answers(address string) bool {
	const attempts = 10_000
	for range attempts {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			return conn.Close() == nil
		}
		if !errors.Is(err, syscall.ECONNREFUSED) {
			return false
		}
	}
	return false
}

func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

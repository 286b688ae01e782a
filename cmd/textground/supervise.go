package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// supervisor keeps the coordinator and the local workers of one run alive: a process that dies is started again. Its
// children end with it: each holds a pipe from it and takes the pipe's end for SIGTERM.
type supervisor struct {
	dir     string
	log     hclog.Logger
	mu      sync.Mutex
	running map[string]*exec.Cmd
	wg      sync.WaitGroup
}

// How often in a row a process that ends by itself with an error is started again; one that is killed is, always. A
// coordinator that ends by itself has ended the run.
const (
	workerFailures      = 3
	coordinatorFailures = 1
)

func newSupervisor(dir string, log hclog.Logger) *supervisor {
	return &supervisor{dir: dir, log: log, running: map[string]*exec.Cmd{}}
}

// keep starts the process called name and starts it again whenever it dies, until it ends with exit code 0, fails so many
// times in a row, or ctx ends.
// done, if not nil, is called with how it finally ended.
func (s *supervisor) keep(ctx context.Context, name string, args []string, failures int, done func(error)) {
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		err := s.again(ctx, name, args, failures)
		if done != nil {
			done(err)
		}
	}()
}

func (s *supervisor) again(ctx context.Context, name string, args []string, tolerated int) error {
	for failures := 0; ; {
		begun := time.Now()
		err := s.once(ctx, name, args)
		if err == nil || ctx.Err() != nil {
			return err
		}
		var exit *exec.ExitError
		killed := errors.As(err, &exit) && exit.ExitCode() < 0
		words, said := s.lastWords(name, err)
		if killed || time.Since(begun) > time.Minute {
			failures = 0
		} else if failures++; said && exit != nil && exit.ExitCode() == exitBadInput {
			return badInput(words) // a panic ends with the same code, but leaves a trace
		} else if failures >= tolerated {
			return fmt.Errorf("%s: %s", name, words)
		}
		s.log.Warn("starting a process again", "process", name, "ended", err)
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// once runs the process to its end. When ctx ends the process is asked to end by closing its pipe.
func (s *supervisor) once(ctx context.Context, name string, args []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	logFile, err := os.OpenFile(s.logPath(name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer logFile.Close()
	cmd := exec.Command(self, args...)
	cmd.Stdout, cmd.Stderr = logFile, logFile
	detach(cmd)
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	s.mu.Lock()
	s.running[name] = cmd
	s.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		select {
		case <-ctx.Done():
			pipe.Close()
		case <-ended:
		}
	}()
	err = cmd.Wait()
	close(ended)
	s.mu.Lock()
	delete(s.running, name)
	s.mu.Unlock()
	return err
}

func (s *supervisor) logPath(name string) string { return filepath.Join(s.dir, "logs", name+".log") }

// lastWords returns the cause that a dead process gave itself in the last line of its log, if it did, else how it ended.
func (s *supervisor) lastWords(name string, err error) (words string, said bool) {
	data, readErr := os.ReadFile(s.logPath(name))
	line := lastLine(data)
	if cause, ok := strings.CutPrefix(line, "textground: "); ok && readErr == nil {
		return cause, true
	}
	return fmt.Sprintf("%v; its log %s ends with %q", err, s.logPath(name), line), false
}

func (s *supervisor) wait() { s.wg.Wait() }

// parentGone returns a context that ends when ctx does or when standard input ends: the pipe of a supervisor that has
// ended or asks us to.
func parentGone(ctx context.Context, supervised bool) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	if supervised {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin) // an error is an end too
			cancel()
		}()
	}
	return ctx, cancel
}

// lastLine returns the last line that is not empty.
func lastLine(data []byte) string {
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return lines[len(lines)-1]
}

package exchange

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/nats-io/nats-server/v2/server"
)

// ServerConfig describes an embedded NATS server. It has no JetStream and keeps nothing.
type ServerConfig struct {
	Listen bool   // false: connections from within this process alone
	Host   string // where it listens; empty is 127.0.0.1
	Port   int    // 0 takes a free one
	Token  string // what clients must show; required where it listens
	Log    hclog.Logger
}

// Server is an embedded NATS server.
type Server struct {
	server *server.Server
	token  string
	host   string
}

// StartServer starts a server and returns when it takes connections.
func StartServer(c ServerConfig) (*Server, error) {
	if c.Listen && c.Token == "" {
		return nil, errors.New("a NATS server that listens needs a token")
	}
	if c.Host == "" {
		c.Host = "127.0.0.1"
	}
	s, err := server.NewServer(c.options())
	if err != nil {
		return nil, fmt.Errorf("making the embedded NATS server: %w", err)
	}
	log := serverLog{c.Log, make(chan string, 1)}
	if log.Logger == nil {
		log.Logger = hclog.NewNullLogger()
	}
	s.SetLoggerV2(log, false, false, false)
	started := &Server{s, c.Token, c.Host}
	s.Start() // listens, or has said why not, when it returns
	select {
	case why := <-log.fatal:
		started.Close()
		return nil, fmt.Errorf("the embedded NATS server cannot listen on %s: %s; another process may have the port: choose another, or 0 for a free one",
			net.JoinHostPort(c.Host, strconv.Itoa(c.Port)), why)
	default:
	}
	if !s.ReadyForConnections(10 * time.Second) {
		started.Close()
		return nil, errors.New("the embedded NATS server was not ready within 10 s")
	}
	return started, nil
}

func (c ServerConfig) options() *server.Options {
	port := c.Port
	if port == 0 {
		port = server.RANDOM_PORT
	}
	return &server.Options{
		ServerName: "textground", Host: c.Host, Port: port, DontListen: !c.Listen, Authorization: c.Token,
		NoSigs: true, MaxPayload: 1 << 20, MaxPending: 256 << 20,
		PingInterval: 2 * time.Second, MaxPingsOut: 2, WriteDeadline: 10 * time.Second,
	}
}

// URL is the address for clients in other processes, without the token; empty where the server does not listen.
func (s *Server) URL() string {
	if s.Port() == 0 {
		return ""
	}
	return "nats://" + net.JoinHostPort(s.host, strconv.Itoa(s.Port()))
}

// Port is where the server listens; 0 where it does not.
func (s *Server) Port() int {
	if a, ok := s.server.Addr().(*net.TCPAddr); ok && a != nil {
		return a.Port
	}
	return 0
}

// Close ends all connections and waits until the server has stopped.
func (s *Server) Close() {
	s.server.Shutdown()
	s.server.WaitForShutdown()
}

// serverLog passes the server's words on, one level lower than it thinks of them, and catches why it could not start.
type serverLog struct {
	hclog.Logger
	fatal chan string
}

func (l serverLog) Noticef(format string, v ...any) { l.Logger.Debug(fmt.Sprintf(format, v...)) }
func (l serverLog) Debugf(format string, v ...any)  { l.Logger.Trace(fmt.Sprintf(format, v...)) }
func (l serverLog) Tracef(format string, v ...any)  { l.Logger.Trace(fmt.Sprintf(format, v...)) }
func (l serverLog) Warnf(format string, v ...any)   { l.Logger.Info(fmt.Sprintf(format, v...)) }
func (l serverLog) Errorf(format string, v ...any)  { l.Logger.Warn(fmt.Sprintf(format, v...)) }

func (l serverLog) Fatalf(format string, v ...any) {
	select {
	case l.fatal <- fmt.Sprintf(format, v...):
	default:
	}
}

package exchange

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/nats-io/nats.go"
	"github.com/textground/textground/proto"
)

// Errors that the server's side of the bus causes. They reach everybody who waits for a transfer.
var (
	ErrPermission = errors.New("NATS refuses: no permission")
	ErrSlow       = errors.New("NATS dropped messages: this process reads too slowly")
	ErrClosed     = errors.New("the bus is closed")
)

// BusConfig says where the server is and who connects. Of the credentials at most one kind is set.
type BusConfig struct {
	Run  string // run id, a token of every subject
	Name string // worker name, or "coordinator": also the name of the inbox that the server's permissions grant

	URL       string  // one or more addresses, separated by commas
	InProcess *Server // instead of URL: no socket at all

	Token          string
	User, Password string
	SeedFile       string // file with an NKey seed
	CredsFile      string // .creds file: JWT and NKey seed

	CAFile, CertFile, KeyFile string // TLS 1.3: the authority to trust, and a client certificate where the server asks for one

	Log     hclog.Logger
	OnError func(error) // every error that the connection reports by itself; may be nil
}

// Bus is one identity's connection to NATS. It reconnects for ever.
type Bus struct {
	run, name string
	nc        *nats.Conn
	log       hclog.Logger
	onError   func(error)

	pending int // bytes that may wait for a handler; beyond them messages are dropped, which failed reports

	slow, refused, bad, reconnects atomic.Uint64

	mu       sync.Mutex
	watchers []*func(error)
}

// BusCounts are the mishaps of a connection since it was made.
type BusCounts struct {
	Slow       uint64 // times that messages were dropped because a subscriber was slow
	Refused    uint64 // permission violations
	Bad        uint64 // control messages that could not be read
	Reconnects uint64
}

// Dial connects. With a deadline on ctx it tries until then, without one it tries once. Refused credentials end it at once.
func Dial(ctx context.Context, c BusConfig) (*Bus, error) {
	if err := errors.Join(proto.CheckName("run", c.Run), proto.CheckName("name on the bus", c.Name)); err != nil {
		return nil, err
	}
	b := &Bus{run: c.Run, name: c.Name, log: c.Log, onError: c.OnError, pending: pendingBytes}
	if b.log == nil {
		b.log = hclog.NewNullLogger()
	}
	options, err := b.options(c)
	if err != nil {
		return nil, err
	}
	for {
		b.nc, err = nats.Connect(c.URL, options...)
		switch {
		case err == nil:
			return b, nil
		case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAuthRevoked):
			return nil, fmt.Errorf("NATS at %s refuses %s: %w; give the run's token, or this name's own credentials", c.addresses(), c.Name, err)
		}
		if _, patient := ctx.Deadline(); !patient || !pause(ctx, 200*time.Millisecond) {
			return nil, fmt.Errorf("NATS unreachable at %s: %w; start the server there or correct the address", c.addresses(), err)
		}
	}
}

// pause waits and reports whether ctx is still alive.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func (b *Bus) options(c BusConfig) ([]nats.Option, error) {
	o := []nats.Option{
		nats.Name(c.Run + "/" + c.Name),
		nats.CustomInboxPrefix("_INBOX_" + c.Name),
		nats.Timeout(2 * time.Second),
		nats.PingInterval(2 * time.Second),
		nats.MaxPingsOutstanding(2),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(100 * time.Millisecond),
		nats.ReconnectJitter(50*time.Millisecond, 50*time.Millisecond),
		nats.ReconnectBufSize(-1), // what cannot be sent now is sent again by its owner
		nats.ErrorHandler(b.failed),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			b.reconnects.Add(1)
			b.log.Info("NATS found again", "address", nc.ConnectedUrlRedacted())
		}),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				b.log.Warn("NATS lost, reconnecting", "error", err)
			}
		}),
		nats.ClosedHandler(func(*nats.Conn) { b.tell(ErrClosed) }),
	}
	token := c.Token
	if c.InProcess != nil {
		o = append(o, nats.InProcessServer(c.InProcess.server))
		token = c.InProcess.token
	}
	if token != "" {
		o = append(o, nats.Token(token))
	}
	if c.User != "" {
		o = append(o, nats.UserInfo(c.User, c.Password))
	}
	if c.SeedFile != "" {
		nkey, err := nats.NkeyOptionFromSeed(c.SeedFile)
		if err != nil {
			return nil, fmt.Errorf("reading the NKey seed in %s: %w; it must be a file made by nk -gen user", c.SeedFile, err)
		}
		o = append(o, nkey)
	}
	if c.CredsFile != "" {
		o = append(o, nats.UserCredentials(c.CredsFile))
	}
	if c.CAFile != "" || c.CertFile != "" {
		o = append(o, nats.Secure(&tls.Config{MinVersion: tls.VersionTLS13}))
	}
	if c.CAFile != "" {
		o = append(o, nats.RootCAs(c.CAFile))
	}
	if c.CertFile != "" {
		o = append(o, nats.ClientCert(c.CertFile, c.KeyFile))
	}
	return o, nil
}

// addresses lists the servers for people, without what an address may hold of secrets.
func (c BusConfig) addresses() string {
	if c.InProcess != nil {
		return "the server in this process"
	}
	list := strings.Split(c.URL, ",")
	for i, a := range list {
		a = strings.TrimSpace(a)
		if u, err := url.Parse(a); err == nil && u.Host != "" {
			u.User = nil
			a = u.String()
		}
		list[i] = a
	}
	return strings.Join(list, ", ")
}

// failed hears what the connection reports by itself: dropped messages and refused subjects among it.
func (b *Bus) failed(_ *nats.Conn, sub *nats.Subscription, err error) {
	switch {
	case errors.Is(err, nats.ErrSlowConsumer):
		b.slow.Add(1)
		subject, dropped := "", 0
		if sub != nil {
			subject = sub.Subject
			dropped, _ = sub.Dropped()
		}
		err = fmt.Errorf("%w (%d so far on %s)", ErrSlow, dropped, subject)
	case errors.Is(err, nats.ErrPermissionViolation):
		b.refused.Add(1)
		err = fmt.Errorf("%w: %s as %s; the server's configuration must grant it", ErrPermission, strings.TrimPrefix(err.Error(), "nats: permissions violation: "), b.name)
	}
	b.log.Error("NATS reports", "error", err)
	b.tell(err)
}

// tell passes an error on to the owner of the bus and to all who wait for a transfer.
func (b *Bus) tell(err error) {
	if b.onError != nil {
		b.onError(err)
	}
	b.mu.Lock()
	watchers := slices.Clone(b.watchers)
	b.mu.Unlock()
	for _, w := range watchers {
		(*w)(err)
	}
}

// Counts returns the mishaps so far.
func (b *Bus) Counts() BusCounts {
	return BusCounts{b.slow.Load(), b.refused.Load(), b.bad.Load(), b.reconnects.Load()}
}

// Flush waits until the server has read everything that was published here.
func (b *Bus) Flush(ctx context.Context) error {
	if err := b.nc.FlushWithContext(ctx); err != nil {
		return fmt.Errorf("flushing the bus: %w", err)
	}
	return nil
}

// Close ends the connection. Clients and hubs on it should be closed before.
func (b *Bus) Close() { b.nc.Close() }

// wire is what clients and hubs need of a bus; tests put a lossy one in between.
type wire interface {
	publish(subject, reply string, data []byte) error
	subscribe(subject string, handle func(message)) (cancel func(), err error)
	inbox() string                     // a fresh subject prefix that only this identity hears
	watch(func(error)) (cancel func()) // errors of the connection itself
}

// message is one NATS message. Data may be kept by its receiver.
type message struct {
	subject, reply string
	data           []byte
	nobody         bool // the answer of the server itself: nobody listens where the request went
}

func (b *Bus) publish(subject, reply string, data []byte) error {
	return b.nc.PublishMsg(&nats.Msg{Subject: subject, Reply: reply, Data: data})
}

const pendingBytes = 512 << 20

// subscribe calls handle for each message, one after the other in a goroutine of the subscription.
func (b *Bus) subscribe(subject string, handle func(message)) (func(), error) {
	sub, err := b.nc.Subscribe(subject, func(m *nats.Msg) {
		handle(message{m.Subject, m.Reply, m.Data, len(m.Data) == 0 && m.Header.Get("Status") == "503"})
	})
	if err == nil {
		err = sub.SetPendingLimits(-1, b.pending)
	}
	if err != nil {
		return nil, fmt.Errorf("subscribing to %s: %w", subject, err)
	}
	return func() { _ = sub.Unsubscribe() }, nil // fails only on a closed connection, which has no subscriptions
}

func (b *Bus) inbox() string { return b.nc.NewInbox() }

func (b *Bus) watch(fn func(error)) func() {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := &fn
	b.watchers = append(b.watchers, w)
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.watchers = slices.DeleteFunc(b.watchers, func(x *func(error)) bool { return x == w })
	}
}

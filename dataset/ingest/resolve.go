package ingest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

// Lookup finds the addresses of a host. Errors are those of [net.Resolver].
type Lookup func(ctx context.Context, host string) ([]netip.Addr, error)

// SystemLookup asks the machine's resolver.
func SystemLookup(ctx context.Context, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// ErrResolver says that names are not answered at all. It ends a crawl: no URL is dead because the resolver is.
var ErrResolver = errors.New("the resolver does not answer")

// noSuchHost is an answer: nobody has this name. brokenZone is none, but others are answered meanwhile.
type (
	noSuchHost struct{ host string }
	brokenZone struct {
		host string
		err  error
	}
)

func (e *noSuchHost) Error() string { return fmt.Sprintf("no host is called %.200q", e.host) }
func (e *brokenZone) Error() string {
	return fmt.Sprintf("the name %.200q is not answered, others are: %v", e.host, e.err)
}
func (e *brokenZone) Unwrap() error { return e.err }

const (
	addressTTL    = 10 * time.Minute
	lookupTimeout = 10 * time.Second
	lookupTries   = 5
)

// resolver remembers names and tells a dead name from a dead resolver.
type resolver struct {
	lookup  Lookup
	backoff time.Duration
	names   *cache[[]netip.Addr]
	proven  atomic.Pointer[string] // a name that was answered
}

func newResolver(life context.Context, lookup Lookup, backoff time.Duration) *resolver {
	r := &resolver{lookup: lookup, backoff: backoff}
	r.names = newCache(life, r.resolve)
	return r
}

// addresses returns where host is.
func (r *resolver) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	addresses, err := r.names.get(ctx, host)
	if err == nil && len(addresses) == 0 {
		err = &noSuchHost{host}
	}
	return addresses, err
}

// resolve asks for a name until there is an answer; that nobody has the name is one, and is remembered as no address.
func (r *resolver) resolve(ctx context.Context, host string) (addresses []netip.Addr, holds time.Duration, err error) {
	for try := range lookupTries {
		if try > 0 && !pause(ctx, r.backoff<<(try-1)) {
			return nil, 0, ctx.Err()
		}
		addresses, err = r.once(ctx, host)
		if err == nil {
			r.proven.Store(&host)
			return addresses, addressTTL, nil
		}
		if notFound(err) {
			return nil, addressTTL, nil
		}
	}
	if ctx.Err() != nil {
		return nil, 0, ctx.Err()
	}
	if r.alive(ctx) {
		return nil, 0, &brokenZone{host, err}
	}
	return nil, 0, fmt.Errorf("%w (asked %d times for %.200q: %w); mend name resolution on this machine and run the same command again", ErrResolver, lookupTries, host, err)
}

func (r *resolver) once(ctx context.Context, host string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	return r.lookup(ctx, host)
}

// alive asks again for a name that was answered before.
func (r *resolver) alive(ctx context.Context) bool {
	name := r.proven.Load()
	if name == nil {
		return false
	}
	_, err := r.once(ctx, *name)
	return err == nil || notFound(err)
}

func notFound(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound
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

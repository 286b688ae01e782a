package ingest

import (
	"fmt"
	"net/netip"
	"syscall"
)

// A refusedAddress is one that a list must not make this machine talk to.
type refusedAddress struct{ address netip.Addr }

func (e *refusedAddress) Error() string {
	return fmt.Sprintf("%s is not on the public internet; --allow-private lets it pass", e.address)
}

// notPublic are the blocks that IANA reserves and that netip has no word for.
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),       // this network
	netip.MustParsePrefix("100.64.0.0/10"),   // carrier-grade NAT
	netip.MustParsePrefix("192.0.0.0/24"),    // protocol assignments
	netip.MustParsePrefix("192.0.2.0/24"),    // documentation
	netip.MustParsePrefix("198.18.0.0/15"),   // benchmarks
	netip.MustParsePrefix("198.51.100.0/24"), // documentation
	netip.MustParsePrefix("203.0.113.0/24"),  // documentation
	netip.MustParsePrefix("240.0.0.0/4"),     // reserved, broadcast
	netip.MustParsePrefix("::/96"),           // IPv4-compatible
	netip.MustParsePrefix("64:ff9b::/32"),    // IPv4 behind a translator
	netip.MustParsePrefix("100::/64"),        // discard
	netip.MustParsePrefix("2001::/23"),       // protocol assignments, Teredo among them
	netip.MustParsePrefix("2001:db8::/32"),   // documentation
	netip.MustParsePrefix("2002::/16"),       // IPv4 inside 6to4
	netip.MustParsePrefix("fec0::/10"),       // site-local
}

// isPublic reports whether an address is anybody's on the internet. An IPv4 address inside IPv6 is judged as what it is.
func isPublic(a netip.Addr) bool {
	a = a.WithZone("").Unmap()
	if !a.IsValid() || !a.IsGlobalUnicast() || a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() {
		return false
	}
	for _, block := range notPublic {
		if block.Contains(a) {
			return false
		}
	}
	return true
}

// onlyPublic is what a dialer asks just before it connects, when no name stands between the question and the address.
func onlyPublic(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("dialing %q: %w", address, err)
	}
	if !isPublic(to.Addr()) {
		return &refusedAddress{to.Addr().Unmap()}
	}
	return nil
}

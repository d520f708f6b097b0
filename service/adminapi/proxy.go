package adminapi

import (
	"net"
	"net/http"
	"net/netip"

	"github.com/labstack/echo/v4"
)

// Proxied is an [Options.Address] for a process behind proxies: from those in the networks given, the client's address is the last one in X-Forwarded-For that none of them
// has. Others can say nothing of where they come from, and of a header that cannot be read nothing is believed.
func Proxied(trusted []netip.Prefix) func(*http.Request) string {
	if len(trusted) == 0 {
		return peer
	}
	options := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, p := range trusted {
		options = append(options, echo.TrustIPRange(&net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}))
	}
	return echo.ExtractIPFromXFFHeader(options...)
}

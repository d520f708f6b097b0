package evalapi

import (
	"io"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/dimmerhq/dimmer/evaluator"
	pb "github.com/dimmerhq/dimmer/proto/dimmer/v1"
	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/dimmerhq/dimmer/service/store"
)

// awaitHello takes a stream's first message.
func (y *syncStream) awaitHello() (*pb.Hello, error) {
	limit := time.AfterFunc(helloLimit, func() { y.end(errNoHello) })
	defer limit.Stop()
	defer y.crowds.greet(y)()
	m := new(pb.SyncRequest)
	err := y.stream.RecvMsg(m)
	hello := m.GetHello()
	switch {
	case err == io.EOF, err == nil && hello == nil: //nolint:errorlint // grpc returns it as it is
		return nil, errNoHello
	case err != nil:
		return nil, y.why(err)
	}
	return hello, checkHello(hello)
}

// The limits of a Hello, in bytes.
const (
	maxInstance    = 128
	maxApplication = 128
	maxSDK         = 64
	maxProcess     = 16
)

func checkHello(h *pb.Hello) error {
	for _, text := range []struct {
		name, value string
		min, max    int
	}{
		{"instance", h.GetInstance(), 1, maxInstance},
		{"sdk", h.GetSdk(), 0, maxSDK},
		{"sdk_version", h.GetSdkVersion(), 0, maxSDK},
		{"application", h.GetApplication(), 0, maxApplication},
	} {
		if n := len(text.value); n < text.min || n > text.max {
			return feature.Invalid("hello."+text.name, "must have %d to %d bytes, has %d", text.min, text.max, n)
		}
		if !printable(text.value) {
			return feature.Invalid("hello."+text.name, "must be printable")
		}
	}
	if n := len(h.GetDigest()); n != 0 && n != len(evaluator.Digest{}) {
		return feature.Invalid("hello.digest", "must have 16 bytes, has %d", n)
	}
	if n := len(h.GetProcess()); n > maxProcess {
		return feature.Invalid("hello.process", "must have at most %d bytes, has %d", maxProcess, n)
	}
	if h.GetSchema() < 0 || h.GetProtocol() < 0 || h.GetAfter().GetEpoch() < 0 || h.GetAfter().GetNumber() < 0 {
		return feature.Invalid("hello", "schema, protocol and revision cannot be negative")
	}
	return nil
}

func printable(s string) bool {
	for _, r := range s {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

func revisionOf(r *pb.Revision) evaluator.Revision {
	return evaluator.Revision{Epoch: r.GetEpoch(), Number: r.GetNumber()}
}

func cursorOf(r evaluator.Revision) store.Cursor {
	return store.Cursor{Epoch: r.Epoch, Revision: r.Number}
}

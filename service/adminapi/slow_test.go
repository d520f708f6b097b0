package adminapi

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// deadlines records what a handler asks of its connection.
type deadlines struct {
	http.ResponseWriter
	read []time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error {
	d.read = append(d.read, t)
	return nil
}

// TestBodyThatNeverEnds: whoever stops in the middle of a body must not keep the connection, which net/http would read on from.
func TestBodyThatNeverEnds(t *testing.T) {
	tests := []struct {
		name   string
		body   io.Reader
		length int64
		want   string // part of the error; empty: none
	}{
		{name: "whole", body: strings.NewReader(`{"a":1}`), length: 7},
		{name: "stops", body: io.MultiReader(strings.NewReader(`{`), errReader{os.ErrDeadlineExceeded}), length: 7, want: "did not arrive within 10s"},
		{name: "stops without a length", body: io.MultiReader(strings.NewReader(`{`), errReader{os.ErrDeadlineExceeded}), length: -1, want: "did not arrive within 10s"},
		{name: "breaks off", body: io.MultiReader(strings.NewReader(`{`), errReader{errors.New("reset")}), length: 7, want: "broke off"},
		{name: "grows beyond the limit", body: strings.NewReader(strings.Repeat(" ", 300<<10)), length: -1, want: "more than"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "/", tt.body)
			r.ContentLength = tt.length
			r.Header.Set("Content-Type", "application/json")
			w := &deadlines{ResponseWriter: httptest.NewRecorder()}
			_, err := readBody(&operation{Bodies: []string{"application/json"}}, w, r)
			last := w.read[len(w.read)-1]
			if tt.want == "" {
				require.NoError(t, err)
				require.Zero(t, last)
				require.Empty(t, w.Header().Get("Connection"))
				return
			}
			require.ErrorContains(t, err, tt.want)
			require.False(t, last.IsZero(), "the connection may be read from for ever")
			require.False(t, last.After(time.Now().Add(lastOfBody)), "for longer than what is on its way takes")
			require.Equal(t, "close", w.Header().Get("Connection"))
		})
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

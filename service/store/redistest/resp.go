//go:build unix

package redistest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Do sends one command on a connection of its own and returns the answer as text: a string as it is, an integer in decimals, an array's
// elements one a line, nil as "". It is for looking at a server from the side; what is tested has its own client.
func (s *Server) Do(args ...string) (string, error) { return do(s.Addr, args...) }

// Must is Do that fails the test on an error.
func (s *Server) Must(args ...string) string {
	s.t.Helper()
	answer, err := s.Do(args...)
	if err != nil {
		s.t.Fatalf("%s at %s: %v", args[0], s.Addr, err)
	}
	return answer
}

// Info returns one field of INFO section; empty when the server does not answer or does not have it.
func (s *Server) Info(section, field string) string {
	answer, err := s.Do("INFO", section)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(answer) {
		if value, found := strings.CutPrefix(strings.TrimSpace(line), field+":"); found {
			return value
		}
	}
	return ""
}

func do(addr string, args ...string) (string, error) {
	conn, err := dial(addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	var out strings.Builder
	fmt.Fprintf(&out, "*%d\r\n", len(args))
	for _, arg := range args {
		fmt.Fprintf(&out, "$%d\r\n%s\r\n", len(arg), arg)
	}
	if _, err := io.WriteString(conn, out.String()); err != nil {
		return "", err
	}
	return reply(bufio.NewReader(conn))
}

// reply reads one RESP2 answer.
func reply(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return "", errors.New("an empty line")
	}
	kind, rest := line[0], line[1:]
	switch kind {
	case '+', ':':
		return rest, nil
	case '-':
		return "", errors.New(rest)
	case '$', '*':
	default:
		return "", fmt.Errorf("not RESP: %q", line)
	}
	n, err := strconv.Atoi(rest)
	if err != nil || n < 0 {
		return "", err
	}
	if kind == '$' {
		text := make([]byte, n+2)
		_, err := io.ReadFull(r, text)
		return string(text[:n]), err
	}
	elements := make([]string, n)
	for i := range elements {
		if elements[i], err = reply(r); err != nil {
			return "", err
		}
	}
	return strings.Join(elements, "\n"), nil
}

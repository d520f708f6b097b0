package redisstore

import (
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// The backends, as [store.Report] names them.
const (
	backendSingle   = "redis"
	backendSentinel = "redis+sentinel"
	backendCluster  = "redis+cluster"
)

// target is a parsed URL.
type target struct {
	backend            string
	tls                bool
	addrs              []string // host:port
	username, password string
	db                 int
	master             string // the name that Sentinel knows
}

// String is the URL again, without a password.
func (t target) String() string {
	scheme := t.backend
	if t.tls {
		scheme = "rediss" + strings.TrimPrefix(scheme, "redis")
	}
	u := url.URL{Scheme: scheme, Host: strings.Join(t.addrs, ",")}
	if t.username != "" {
		u.User = url.User(t.username)
	}
	if t.backend != backendCluster {
		u.Path = "/" + strconv.Itoa(t.db)
	}
	if t.master != "" {
		u.RawQuery = url.Values{"master": {t.master}}.Encode()
	}
	return u.String()
}

// parse reads a URL. Its errors never hold the text, which may hold a password.
func parse(text string) (target, error) {
	scheme, rest, found := strings.Cut(text, "://")
	if !found {
		return target{}, errors.New("redisstore: not a URL: redis://host:port, redis+sentinel://h1,h2/0?master=NAME or redis+cluster://h1,h2")
	}
	var t target
	if base, found := strings.CutPrefix(scheme, "rediss"); found {
		t.tls, scheme = true, "redis"+base
	}
	port := "6379"
	switch scheme {
	case backendSingle, backendCluster:
	case backendSentinel:
		port = "26379"
	default:
		return target{}, errors.New("redisstore: the URL's scheme is none of redis, redis+sentinel, redis+cluster, or rediss for TLS")
	}
	t.backend = scheme

	// net/url knows one host only, so the list is taken out first.
	authority, path, _ := strings.Cut(rest, "/")
	if before, query, found := strings.Cut(authority, "?"); found {
		authority, path = before, "?"+query
	}
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		if err := t.credentials(authority[:at]); err != nil {
			return target{}, err
		}
		authority = authority[at+1:]
	}
	for host := range strings.SplitSeq(authority, ",") {
		addr, err := address(host, port)
		if err != nil {
			return target{}, err
		}
		t.addrs = append(t.addrs, addr)
	}
	if t.backend == backendSingle && len(t.addrs) != 1 {
		return target{}, errors.New("redisstore: redis:// takes one host; use redis+sentinel:// or redis+cluster:// for several")
	}
	return t, t.rest(path)
}

func (t *target) credentials(text string) error {
	u, err := url.Parse("redis://" + text + "@host")
	if err != nil || u.User == nil {
		return errors.New("redisstore: the URL's user and password cannot be read; percent-encode special characters")
	}
	t.username = u.User.Username()
	t.password, _ = u.User.Password()
	return nil
}

// address adds the default port; an IPv6 address stands in brackets.
func address(host, port string) (string, error) {
	bad := errors.New("redisstore: the URL has a host that is not host or host:port")
	if strings.Count(host, ":") == 0 || strings.HasSuffix(host, "]") {
		host += ":" + port
	}
	name, number, err := net.SplitHostPort(host)
	if err != nil || name == "" || strings.ContainsAny(name, " \t\r\n%?#\\") {
		return "", bad
	}
	if n, err := strconv.ParseUint(number, 10, 16); err != nil || n == 0 {
		return "", bad
	}
	return host, nil
}

// rest reads what follows the hosts: the number of the database and the query.
func (t *target) rest(text string) error {
	path, query, _ := strings.Cut(text, "?")
	if path != "" {
		n, err := strconv.ParseUint(path, 10, 16)
		if err != nil {
			return errors.New("redisstore: what follows the URL's hosts is not the number of a database")
		}
		t.db = int(n)
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return errors.New("redisstore: the URL's query cannot be read")
	}
	for name := range values {
		if name != "master" || t.backend != backendSentinel {
			return errors.New("redisstore: the URL's query has something else than master=NAME, which goes with redis+sentinel")
		}
	}
	t.master = values.Get("master")
	switch {
	case t.backend == backendSentinel && t.master == "":
		return errors.New("redisstore: redis+sentinel needs ?master=NAME")
	case t.backend == backendCluster && t.db != 0:
		return errors.New("redisstore: a cluster has database 0 only")
	}
	return nil
}

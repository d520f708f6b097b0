//go:build unix

package redistest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// MasterName is the name under which Sentinel knows the primary.
const MasterName = "dimmer"

// SentinelSet is a primary with two replicas, watched by three sentinels that call it down after a second.
type SentinelSet struct {
	Servers   []*Server // the first was the primary at the start
	Sentinels []*Server
}

// StartSentinel starts a set, and waits until every sentinel knows all of it. The options are those of the three servers.
func StartSentinel(t testing.TB, opts ...Option) *SentinelSet {
	t.Helper()
	primary := Start(t, opts...)
	set := &SentinelSet{Servers: []*Server{primary, StartReplica(t, primary, opts...), StartReplica(t, primary, opts...)}}
	for range 3 {
		set.Sentinels = append(set.Sentinels, startSentinel(t, primary))
	}
	for _, s := range set.Sentinels {
		s.wait("know its set", func() error {
			info, err := s.Do("INFO", "sentinel")
			if err == nil && !strings.Contains(info, "status=ok,address="+primary.Addr+",slaves=2,sentinels=3") {
				err = errors.New(info)
			}
			return err
		})
	}
	return set
}

func startSentinel(t testing.TB, primary *Server) *Server {
	t.Helper()
	port := reserve(t)
	s := &Server{Addr: "127.0.0.1:" + strconv.Itoa(port), Port: port, t: t, dir: t.TempDir()}
	text := fmt.Sprintf(`port %d
bind 127.0.0.1
dir %q
logfile %q
sentinel monitor %[4]s 127.0.0.1 %d 2
sentinel down-after-milliseconds %[4]s 1000
sentinel failover-timeout %[4]s 3000
sentinel parallel-syncs %[4]s 2
`, port, s.dir, filepath.Join(s.dir, "log"), MasterName, primary.Port)
	file := filepath.Join(s.dir, "sentinel.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.command = []string{file, "--sentinel"}
	s.cleanUp()
	s.launch()
	s.ready()
	return s
}

// URL is the set's address as redis+sentinel://….
func (s *SentinelSet) URL() string {
	return "redis+sentinel://" + addresses(s.Sentinels) + "/0?master=" + MasterName
}

// Primary asks the sentinels who is the primary; nil when they name none of the set.
func (s *SentinelSet) Primary() *Server {
	for _, sentinel := range s.Sentinels {
		answer, err := sentinel.Do("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MasterName)
		if err != nil {
			continue
		}
		for _, server := range s.Servers {
			if answer == "127.0.0.1\n"+strconv.Itoa(server.Port) {
				return server
			}
		}
	}
	return nil
}

// Heal starts the servers that were killed, and waits until the set is settled. Sentinel lets a primary that comes back wait for about ten seconds.
func (s *SentinelSet) Heal() {
	s.Servers[0].t.Helper()
	restart(append(append([]*Server{}, s.Servers...), s.Sentinels...))
	s.Settled()
}

// Heal starts the servers that were killed, and waits until the cluster is settled.
func (c *Cluster) Heal() {
	c.Servers[0].t.Helper()
	restart(c.Servers)
	c.Settled()
}

func restart(servers []*Server) {
	for _, s := range servers {
		select {
		case <-s.ended():
			s.t.Helper()
			s.Restart()
		default:
		}
	}
}

// Settled waits until the set is whole: one primary with two replicas in sync, known to every sentinel.
func (s *SentinelSet) Settled() {
	t := s.Servers[0].t
	t.Helper()
	s.Sentinels[0].wait("settle", func() error {
		primary := s.Primary()
		if primary == nil {
			return errors.New("no primary")
		}
		for _, sentinel := range s.Sentinels {
			info, err := sentinel.Do("INFO", "sentinel")
			if err != nil || !strings.Contains(info, "status=ok,address="+primary.Addr+",slaves=2,sentinels=3") {
				return fmt.Errorf("%s %w", info, err)
			}
		}
		return primary.hasReplicas(2)
	})
}

// hasReplicas checks that a server is a primary with n replicas that are in sync.
func (s *Server) hasReplicas(n int) error {
	info, err := s.Do("INFO", "replication")
	if err != nil {
		return err
	}
	if !strings.Contains(info, "role:master") || strings.Count(info, "state=online") != n {
		return errors.New(info)
	}
	return nil
}

// Cluster is three primaries with a replica each; a node that does not answer for a second has failed.
type Cluster struct {
	Servers []*Server // the first three were the primaries at the start, the fourth the first's replica, and so on
}

// StartCluster starts a cluster and waits until every node says that it is whole.
func StartCluster(t testing.TB, opts ...Option) *Cluster {
	t.Helper()
	c := &Cluster{}
	for range 6 {
		bus := reserve(t)
		s := newServer(t, append([]Option{Args(
			"--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(bus), "--cluster-node-timeout", "1000", "--databases", "1",
			"--cluster-config-file", "nodes.conf", "--cluster-replica-validity-factor", "0",
		)}, opts...)...)
		s.bus = bus
		s.launch()
		c.Servers = append(c.Servers, s)
	}
	ids := make([]string, len(c.Servers))
	for i, s := range c.Servers {
		s.ready()
		ids[i] = s.Must("CLUSTER", "MYID")
		s.Must("CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1)) // without it equal epochs have to be settled first
	}
	for i, slots := range [][2]string{{"0", "5460"}, {"5461", "10922"}, {"10923", "16383"}} {
		c.Servers[i].Must("CLUSTER", "ADDSLOTSRANGE", slots[0], slots[1])
	}
	for _, s := range c.Servers[1:] {
		c.Servers[0].Must("CLUSTER", "MEET", "127.0.0.1", strconv.Itoa(s.Port), strconv.Itoa(s.bus))
	}
	for i, s := range c.Servers[3:] {
		s.wait("know its primary", func() error {
			_, err := s.Do("CLUSTER", "REPLICATE", ids[i])
			return err
		})
	}
	c.Settled()
	return c
}

// URL is the cluster's address as redis+cluster://….
func (c *Cluster) URL() string { return "redis+cluster://" + addresses(c.Servers) }

// Settled waits until every node says that the cluster is whole, every primary having its replica in sync.
func (c *Cluster) Settled() {
	c.Servers[0].t.Helper()
	for _, s := range c.Servers {
		s.wait("see a whole cluster", func() error {
			info, err := s.Do("CLUSTER", "INFO")
			if err != nil {
				return err
			}
			nodes, err := s.Do("CLUSTER", "NODES")
			if err != nil {
				return err
			}
			if !strings.Contains(info, "cluster_state:ok") || strings.Count(nodes, "slave ") != 3 || strings.Contains(nodes, "fail") {
				return errors.New(info + nodes)
			}
			if s.Info("replication", "role") == "slave" {
				if state := s.Info("replication", "master_link_status"); state != "up" {
					return errors.New("the link to its primary is " + state)
				}
				return nil
			}
			return s.hasReplicas(1)
		})
	}
}

// Primary returns the primary of a key's slot.
func (c *Cluster) Primary(key string) *Server {
	t := c.Servers[0].t
	t.Helper()
	for _, s := range c.Servers {
		if _, err := s.Do("EXISTS", key); err == nil && s.Info("replication", "role") == "master" {
			return s
		}
	}
	t.Fatalf("no primary for %q", key)
	return nil
}

func addresses(servers []*Server) string {
	out := make([]string, len(servers))
	for i, s := range servers {
		out[i] = s.Addr
	}
	return strings.Join(out, ",")
}

package deploy_test

import (
	"debug/elf"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// stage is what the last stage of the Dockerfile says.
type stage struct {
	from       string
	copies     []copied
	env        []string
	uid, gid   int
	dir        string
	entrypoint []string
	cmd        []string
}

type copied struct {
	src, dst string
	owned    bool // by the image's user
}

// lastStage reads the Dockerfile. An instruction that it does not know fails the test, so that nothing can be added to
// the image behind the back of this file.
func lastStage(t *testing.T) stage {
	t.Helper()
	text, err := os.ReadFile("Dockerfile")
	require.NoError(t, err)
	var s stage
	for line := range strings.Lines(string(text)) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if word == "FROM" {
			s = stage{from: rest}
			continue
		}
		if s.from != "scratch" || word == "" || strings.HasPrefix(word, "#") {
			continue
		}
		s.read(t, word, rest)
	}
	require.Equal(t, "scratch", s.from, "the last stage starts from nothing")
	return s
}

func (s *stage) read(t *testing.T, word, rest string) {
	t.Helper()
	switch word {
	case "COPY":
		words := strings.Fields(rest)
		require.Equal(t, "--from=build", words[0])
		c := copied{src: words[len(words)-2], dst: words[len(words)-1], owned: slices.Contains(words, "--chown=65532:65532")}
		if !c.owned {
			require.Len(t, words, 3)
		}
		s.copies = append(s.copies, c)
	case "ENV":
		s.env = append(s.env, rest)
	case "USER":
		uid, gid, _ := strings.Cut(rest, ":")
		var err error
		s.uid, err = strconv.Atoi(uid)
		require.NoError(t, err)
		s.gid, err = strconv.Atoi(gid)
		require.NoError(t, err)
	case "WORKDIR":
		s.dir = rest
	case "ENTRYPOINT":
		require.NoError(t, json.Unmarshal([]byte(rest), &s.entrypoint))
	case "CMD":
		require.NoError(t, json.Unmarshal([]byte(rest), &s.cmd))
	case "VOLUME", "EXPOSE":
	default:
		require.Fail(t, "unknown instruction in the last stage", word)
	}
}

// unpack makes the image's files below a new folder, as the last stage copies them.
func (s stage) unpack(t *testing.T) string {
	t.Helper()
	build, root := filepath.Join(t.TempDir(), "rootfs"), filepath.Join(t.TempDir(), "image")
	out, err := exec.CommandContext(t.Context(), "./rootfs", build, "v0.0.0-test").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NoError(t, os.Mkdir(root, 0o755))
	taken := map[string]bool{}
	for _, c := range s.copies {
		src, inRootfs := strings.CutPrefix(c.src, "/rootfs/")
		require.True(t, inRootfs, c.src)
		taken[src] = true
		out, err := exec.CommandContext(t.Context(), "cp", "-r", filepath.Join(build, src), filepath.Join(root, c.dst)).CombinedOutput()
		require.NoError(t, err, "%s", out)
		if c.owned && os.Getuid() == 0 {
			require.NoError(t, os.Chown(filepath.Join(root, c.dst), s.uid, s.gid))
		}
	}
	made, err := os.ReadDir(build)
	require.NoError(t, err)
	for _, entry := range made {
		require.True(t, taken[entry.Name()], "deploy/rootfs makes %s, and the last stage does not copy it", entry.Name())
	}
	return root
}

// command runs a program of the image as its user, seeing only its files and its environment.
func (s stage) command(t *testing.T, root string, env []string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...) // not bound to t.Context: start ends it gently
	cmd.Dir = s.dir
	cmd.Env = append(slices.Clone(s.env), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Chroot:     root,
		Credential: &syscall.Credential{Uid: uint32(s.uid), Gid: uint32(s.gid)},
	}
	return cmd
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("chroot and another user need root")
	}
}

func TestImageBinaryIsStatic(t *testing.T) {
	root := lastStage(t).unpack(t)
	file, err := elf.Open(filepath.Join(root, "dimmer"))
	require.NoError(t, err)
	defer file.Close()
	libs, err := file.ImportedLibraries()
	require.NoError(t, err)
	require.Empty(t, libs)
	require.False(t, slices.ContainsFunc(file.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }), "no loader is needed")
}

func TestImageHoldsRootsAndZones(t *testing.T) {
	needRoot(t)
	s := lastStage(t)
	root := s.unpack(t)
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", filepath.Join(root, "probe"), "./testdata/probe")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)

	out, err = s.command(t, root, nil, "/probe").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, "roots found, Lord Howe is 39600s east, user 65532 of group 65532\n", string(out))

	// The probe must be able to fail: without the files it does.
	require.NoError(t, os.RemoveAll(filepath.Join(root, "etc")))
	out, err = s.command(t, root, nil, "/probe").CombinedOutput()
	require.Error(t, err, "%s", out)
}

func TestImageRuns(t *testing.T) {
	needRoot(t)
	s := lastStage(t)
	require.Equal(t, 65532, s.uid)
	root := s.unpack(t)

	t.Run("version", func(t *testing.T) {
		out, err := s.command(t, root, nil, append(s.entrypoint, "version")...).CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Contains(t, string(out), "v0.0.0-test")
	})

	t.Run("as it is, it refuses to listen without TLS", func(t *testing.T) {
		p := start(t, s.command(t, root, nil, append(s.entrypoint, s.cmd...)...))
		require.NotZero(t, p.wait(t))
		require.Contains(t, p.printed(), "--insecure-listen")
	})

	t.Run("serves, and writes to its data folder only", func(t *testing.T) {
		httpAddr := freeAddr(t)
		p := start(t, s.command(t, root, []string{
			"DIMMER_HTTP=" + httpAddr, "DIMMER_GRPC=" + freeAddr(t), "DIMMER_METRICS=" + freeAddr(t),
		}, append(s.entrypoint, s.cmd...)...))
		ready(t, p, httpAddr)
		require.Zero(t, p.stop(), p.printed())

		var written []string
		require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			info, err := d.Info()
			if err == nil && info.Sys().(*syscall.Stat_t).Uid == uint32(s.uid) {
				written = append(written, strings.TrimPrefix(path, root))
			}
			return err
		}))
		require.NotEmpty(t, written, "the store is in the data folder")
		for _, path := range written {
			require.True(t, strings.HasPrefix(path, "/data/"), path)
		}
	})
}

// Command gotest runs `go test` and prints what a person wants to read: failures in full, the slowest packages,
// what was left out and why, and one last line of counts. With CI=true a skipped test fails the run, because a test
// that never runs in CI protects nothing.
//
//	go run ./.ci/gotest [-allow-skips] [-noalloc] -- [arguments of go test]
//
// -noalloc then runs the benchmarks whose names end in NoAlloc, without the race detector (it allocates): they fail
// by themselves when what they measure allocates.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
)

func main() {
	allowSkips := flag.Bool("allow-skips", os.Getenv("CI") != "true", "do not fail when a test is skipped (default: unless CI=true)")
	noAlloc := flag.Bool("noalloc", false, "also run the benchmarks named …NoAlloc")
	flag.Parse()

	// An interrupt reaches go test and its tests directly, being the same process group; this program stays to report.
	signal.Notify(make(chan os.Signal, 1), os.Interrupt, syscall.SIGTERM)

	r := newReport(os.Stdout)
	ok := run(r, flag.Args())
	if *noAlloc {
		packages, err := noAllocPackages(".")
		if err != nil {
			fmt.Fprintln(os.Stderr, "gotest:", err)
			os.Exit(1)
		}
		if len(packages) > 0 {
			args := append([]string{"-run=^$", "-bench=NoAlloc$", "-benchtime=100x"}, packages...)
			ok = run(r, args) && ok
		}
	}
	if !r.finish(*allowSkips) || !ok {
		os.Exit(1)
	}
}

// run feeds one `go test -json` into the report and tells whether go test itself was content.
func run(r *report, args []string) bool {
	cmd := exec.Command("go", append([]string{"test", "-json"}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gotest:", err)
		return false
	}
	r.read(out)
	return cmd.Wait() == nil
}

// event is one line of `go test -json`; see `go doc test2json`.
type event struct {
	Action     string
	Package    string
	ImportPath string // of build output
	Test       string
	Output     string
	Elapsed    float64 // seconds
}

type report struct {
	w                       io.Writer
	passed, failed, skipped int
	running                 map[string][]string // package and test → its output so far
	started                 map[string]bool     // benchmarks seen, which get no event when they pass
	slow                    []timed
	left                    map[string][]string // reason → tests that were skipped for it
	failures                []string
}

type timed struct {
	name    string
	seconds float64
}

func newReport(w io.Writer) *report {
	return &report{w: w, running: map[string][]string{}, started: map[string]bool{}, left: map[string][]string{}}
}

func (r *report) read(in io.Reader) {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		var e event
		if json.Unmarshal(line, &e) == nil && e.Action != "" {
			r.add(e)
		} else if len(line) > 0 {
			fmt.Fprintf(r.w, "%s", line)
		}
		if err != nil {
			return
		}
	}
}

func (r *report) add(e event) {
	id := e.Package + " " + e.Test
	switch e.Action {
	case "build-output":
		fmt.Fprint(r.w, e.Output)
	case "run":
		if strings.HasPrefix(e.Test, "Benchmark") {
			r.started[id] = true
		}
	case "output":
		r.running[id] = append(r.running[id], e.Output)
	case "pass", "skip", "fail":
		if e.Test == "" {
			r.endPackage(e)
		} else {
			r.endTest(e, id)
		}
		delete(r.running, id)
	}
}

func (r *report) endTest(e event, id string) {
	delete(r.started, id)
	switch e.Action {
	case "pass":
		r.passed++
	case "skip":
		r.skipped++
		why := reason(r.running[id])
		r.left[why] = append(r.left[why], short(e.Package)+"."+e.Test)
	case "fail":
		r.failed++
		r.failures = append(r.failures, short(e.Package)+"."+e.Test)
		fmt.Fprintf(r.w, "\n--- FAIL %s.%s\n%s\n", short(e.Package), e.Test, strings.Join(r.running[id], ""))
	}
}

// endPackage prints a package's line. A package can fail without a failing test (a panic, a data race found late, a
// broken build, goleak in TestMain): what is left of its output explains that, and it counts as one failure.
func (r *report) endPackage(e event) {
	for id := range r.started {
		if strings.HasPrefix(id, e.Package+" ") {
			delete(r.started, id)
			if e.Action == "pass" {
				r.passed++
			}
		}
	}
	name := short(e.Package)
	rest := r.takeOutput(e.Package)
	switch e.Action {
	case "skip":
		return // no test files
	case "pass":
		fmt.Fprintf(r.w, "ok    %-40s %7.1fs\n", name, e.Elapsed)
	case "fail":
		fmt.Fprintf(r.w, "%sFAIL  %-40s %7.1fs\n", rest, name, e.Elapsed)
		if !slices.ContainsFunc(r.failures, func(test string) bool { return strings.HasPrefix(test, name+".") }) {
			r.failed++
			r.failures = append(r.failures, name)
		}
	}
	r.slow = append(r.slow, timed{name, e.Elapsed})
}

// takeOutput removes and returns what a package printed that belongs to no test that ended.
func (r *report) takeOutput(pkg string) string {
	var text strings.Builder
	for _, id := range slices.Sorted(maps.Keys(r.running)) {
		if strings.HasPrefix(id, pkg+" ") {
			text.WriteString(strings.Join(r.running[id], ""))
			delete(r.running, id)
		}
	}
	return text.String()
}

// finish prints the summary, its last line the counts, and tells whether the run is good.
func (r *report) finish(allowSkips bool) bool {
	slices.SortFunc(r.slow, func(a, b timed) int { return int(1000 * (b.seconds - a.seconds)) })
	fmt.Fprintln(r.w, "\nslowest packages:")
	for _, t := range r.slow[:min(8, len(r.slow))] {
		fmt.Fprintf(r.w, "  %7.1fs  %s\n", t.seconds, t.name)
	}
	if r.skipped > 0 {
		fmt.Fprintf(r.w, "\nLEFT OUT: %d tests did not run:\n", r.skipped)
		for _, why := range slices.Sorted(maps.Keys(r.left)) {
			fmt.Fprintf(r.w, "  %s\n    %s\n", why, strings.Join(r.left[why], "\n    "))
		}
		if !allowSkips {
			fmt.Fprintln(r.w, "CI=true: a skipped test fails the run")
		}
	}
	if len(r.failures) > 0 {
		fmt.Fprintf(r.w, "\nFAILED:\n  %s\n", strings.Join(r.failures, "\n  "))
	}
	fmt.Fprintf(r.w, "\n%d passed, %d failed, %d skipped\n", r.passed, r.failed, r.skipped)
	return r.failed == 0 && r.passed > 0 && (allowSkips || r.skipped == 0)
}

var location = regexp.MustCompile(`^\s*\S+\.go:\d+: `)

// reason is what a test said when it skipped itself: the first line that it logged.
func reason(output []string) string {
	for _, line := range output {
		if location.MatchString(line) {
			return strings.TrimSpace(location.ReplaceAllString(line, ""))
		}
	}
	return "no reason given"
}

// short drops the module's path, which is the same on every line.
func short(pkg string) string {
	return strings.TrimPrefix(pkg, "github.com/dimmerhq/dimmer/")
}

var noAllocFunc = regexp.MustCompile(`(?m)^func Benchmark\w*NoAlloc\(`)

// noAllocPackages finds the packages that hold such benchmarks, so that no others are compiled a second time without
// the race detector.
func noAllocPackages(root string) ([]string, error) {
	var found []string
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() && path != root && (name[0] == '.' || name == "node_modules" || name == "testdata") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if dir := "./" + filepath.ToSlash(filepath.Dir(path)); err == nil && noAllocFunc.Match(text) && !slices.Contains(found, dir) {
			found = append(found, dir)
		}
		return err
	})
	return found, err
}

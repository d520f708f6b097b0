// Command dimmer is the whole of Dimmer in one binary: the server, and the command line that talks to it over REST.
// It parses, calls and prints; what a command means is the server's business.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

// version is set by the linker (see Makefile).
var version = "dev"

// Exit codes. Scripts may rely on them; docs/cli.md lists them.
const (
	exitOK          = 0
	exitFailed      = 1 // anything that has no code of its own
	exitUsage       = 2 // the command line is wrong
	exitNotFound    = 3
	exitDenied      = 4 // no token, a wrong one, or not enough rights
	exitConflict    = 5 // somebody was faster, exists already, or is referred to
	exitUnavailable = 6 // the server or its store does not answer
	exitUnconfirmed = 7 // done, but not acknowledged by everyone within the timeout
)

// exitError carries an exit code with an error; a nil err exits without a word more.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// cli is the command line. Globals come first in every help text.
type cli struct {
	Globals

	Serve    serveCmd    `cmd:"" help:"Run the server."`
	Dev      devCmd      `cmd:"" help:"Run a development server and the example shop, and play the tour the first time."`
	Flags    flagsCmd    `cmd:"" help:"List, show, create, archive and delete flags."`
	Ramp     rampCmd     `cmd:"" help:"Set a flag's exposure."`
	On       onCmd       `cmd:"" help:"Turn a flag on."`
	Off      offCmd      `cmd:"" help:"Turn a flag off."`
	Kill     killCmd     `cmd:"" help:"Kill a flag: everyone gets the off variant, until it is cleared."`
	Clear    clearCmd    `cmd:"" help:"Clear the kills of a flag."`
	Evaluate evaluateCmd `cmd:"" help:"Evaluate a flag for one context, with --trace step by step."`
	Preview  previewCmd  `cmd:"" help:"Who enters, leaves and switches at another exposure, without changing anything."`
	Log      logCmd      `cmd:"" help:"What was changed, newest first."`
	Restore  restoreCmd  `cmd:"" help:"Bring documents back to what they were at a revision."`
	Watch    watchCmd    `cmd:"" help:"Print changes as they arrive."`
	Instance instanceCmd `cmd:"" name:"instances" help:"The SDK processes that are connected."`
	Tokens   tokensCmd   `cmd:"" help:"List, create, rotate and revoke tokens."`
	Backup   backupCmd   `cmd:"" help:"Write all data to a file."`
	Migrate  migrateCmd  `cmd:"" help:"Copy all data from one store to another, revisions kept (servers stopped)."`
	Adopt    adoptCmd    `cmd:"" help:"Accept a store that is refused because it lacks data that were known."`
	UI       uiCmd       `cmd:"" name:"ui" help:"Print a link that signs you in to the web UI, once."`
	Doctor   doctorCmd   `cmd:"" help:"Check the configuration, the server and its store."`
	Version  versionCmd  `cmd:"" help:"Print the version."`
}

// Globals are the options of every command that talks to a server. They stand last in a help text, as one group.
type Globals struct {
	URL     string `group:"client" env:"DIMMER_URL" placeholder:"URL" help:"The server (default: the development server of --data, or http://127.0.0.1:8080)."`
	Token   string `kong:"-"` // DIMMER_TOKEN and nothing else: an argument shows in process lists and shell histories
	Project string `group:"client" short:"p" env:"DIMMER_PROJECT" placeholder:"PROJECT" help:"The project (default: the only one there is)."`
	Output  string `group:"client" short:"o" enum:"table,json" default:"table" help:"table or json."`
	CA      string `group:"client" name:"ca" env:"DIMMER_CA" type:"existingfile" placeholder:"FILE" help:"Trust servers of this authority, PEM (default: the system's)."`
	Cert    string `group:"client" env:"DIMMER_CERT" type:"existingfile" placeholder:"FILE" help:"Client certificate, PEM, for servers that ask for one."`
	Key     string `group:"client" name:"cert-key" env:"DIMMER_CERT_KEY" type:"existingfile" placeholder:"FILE" help:"Its key, PEM."`
	Data    string `group:"client" env:"DIMMER_DATA" default:".dimmer" placeholder:"DIR" type:"path" help:"Folder of a development server."`
}

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is main without the process: it returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second interrupt ends the process at once
	var c cli
	exited := -1
	parser, err := kong.New(&c, kong.Name("dimmer"),
		kong.Description("Feature flags and progressive exposure: ramp, watch, kill.\n\n"+
			"The token comes from DIMMER_TOKEN, or from the development server of --data when that is whom we talk to."),
		kong.Writers(stdout, stderr), kong.UsageOnError(), kong.ConfigureHelp(kong.HelpOptions{Compact: true}), kong.ValueFormatter(helpText),
		kong.ExplicitGroups([]kong.Group{{Key: "client", Title: "Which server to talk to, and how to print:"}}),
		kong.Exit(func(code int) { exited = code }))
	if err != nil {
		fmt.Fprintln(stderr, "dimmer:", err)
		return exitFailed
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	if exited >= 0 {
		return exited
	}
	if err != nil {
		fmt.Fprintf(stderr, "dimmer: %v\nTry %s --help.\n", err, mistaken(err))
		return exitUsage
	}
	c.Token = os.Getenv("DIMMER_TOKEN")
	a := &app{ctx: ctx, globals: c.Globals, out: stdout, err: stderr}
	parsed.Bind(a)
	return exitCode(parsed.Run(), stderr)
}

// helpText is an option's help with the default that a placeholder hides.
func helpText(v *kong.Value) string {
	if v.Flag != nil && v.HasDefault && v.Flag.PlaceHolder != "" && v.Default != "" && !strings.Contains(v.Help, "default") {
		v.Help = fmt.Sprintf("%s (default: %s).", strings.TrimSuffix(v.Help, "."), v.Default)
	}
	return kong.DefaultHelpValueFormatter(v)
}

// mistaken is the command whose help a wrong command line calls for.
func mistaken(err error) string {
	var e *kong.ParseError
	if errors.As(err, &e) && e.Context != nil {
		if node := e.Context.Selected(); node != nil {
			return "dimmer " + node.Path()
		}
		if path := e.Context.Path; len(path) > 0 && path[len(path)-1].Node() != nil {
			return strings.TrimSpace("dimmer " + path[len(path)-1].Node().Path())
		}
	}
	return "dimmer"
}

func exitCode(err error, stderr io.Writer) int {
	if err == nil {
		return exitOK
	}
	code := exitFailed
	var e *exitError
	if errors.As(err, &e) {
		code = e.code
		if e.err == nil {
			return code
		}
	}
	fmt.Fprintln(stderr, "dimmer:", err)
	return code
}

// app is what every command gets: where to talk and where to print.
type app struct {
	ctx     context.Context
	globals Globals
	out     io.Writer
	err     io.Writer
	api     *client // made on first use
}

type versionCmd struct{}

func (versionCmd) Run(a *app) error {
	return a.say(map[string]any{"version": version}, "dimmer "+version)
}

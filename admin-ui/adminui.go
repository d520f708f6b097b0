// Package adminui holds the files of the admin UI, so that one binary serves it. It serves nothing itself.
//
// `make ui` builds the pages and puts them, each text beside its gzipped form, into embed/ui. A clean clone builds with Go alone: what is
// embedded then is a page that says what to use instead.
package adminui

import (
	"embed"
	"io/fs"
)

// The pattern names the folder above the two, because a pattern must match, and embed/ui is there only when it was built.
//
//go:embed all:embed
var files embed.FS

// Built says whether the UI itself is in this binary, and not the page that stands in for it.
func Built() bool {
	_, err := fs.Stat(files, "embed/ui/index.html")
	return err == nil
}

// FS returns the UI's files, with index.html at the root; beside a text file x there may be x.gz. The value is immutable and may be shared.
func FS() fs.FS {
	dir := "embed/placeholder"
	if Built() {
		dir = "embed/ui"
	}
	root, err := fs.Sub(files, dir)
	if err != nil {
		panic(err) // a constant and valid path cannot fail
	}
	return root
}

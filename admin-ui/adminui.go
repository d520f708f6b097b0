// Package adminui holds the files of the admin UI, so that one binary serves it. It serves nothing itself.
//
// A clean clone builds with Go alone: what is embedded here is a page that says what to use instead.
package adminui

import (
	"embed"
	"io/fs"
)

//go:embed placeholder
var files embed.FS

// FS returns the UI's files, with index.html at the root. The value is immutable and may be shared.
func FS() fs.FS {
	root, err := fs.Sub(files, "placeholder")
	if err != nil {
		panic(err) // a constant and valid path cannot fail
	}
	return root
}

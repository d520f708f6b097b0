package adminui_test

import (
	"io/fs"
	"testing"

	"github.com/stretchr/testify/require"

	adminui "github.com/dimmerhq/dimmer/admin-ui"
)

func TestFSHoldsAPage(t *testing.T) {
	page, err := fs.ReadFile(adminui.FS(), "index.html")
	require.NoError(t, err)
	require.Contains(t, string(page), "dimmer flags list")
	// The server forbids inline script and foreign origins; the page must live with that.
	require.NotContains(t, string(page), "<script")
	require.NotRegexp(t, `(src|href)="(https?:)?//`, string(page))
}

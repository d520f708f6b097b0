package main

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"regexp"
	"strconv"

	dimmer "github.com/dimmerhq/dimmer/sdk/go"
)

//go:embed web
var web embed.FS

var pages = template.Must(template.New("").Funcs(template.FuncMap{"euro": euro}).ParseFS(web, "web/*.html"))

// euro prints 39.9 as "39.90 €".
func euro(amount float64) string { return strconv.FormatFloat(amount, 'f', 2, 64) + " €" }

// product is one thing to buy.
type product struct {
	ID, Name, Text string
	Price          float64
	Hue            int // of its picture
}

var products = []product{
	{"arc", "Arc", "A floor lamp that leans over the page you are reading.", 189, 32},
	{"pebble", "Pebble", "A table lamp, round as its name. Turns down to a glow.", 39, 12},
	{"north", "North", "A pendant of folded paper, for above the table.", 119, 205},
	{"mica", "Mica", "A wall light that washes the wall and hides itself.", 74, 160},
}

// shop serves the pages. It holds no state but the client, and may be used concurrently.
type shop struct {
	client *dimmer.Client
	http.Handler
}

func newShop(client *dimmer.Client) *shop {
	s := &shop{client: client}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page("home.html"))
	mux.HandleFunc("GET /checkout", s.page("checkout.html"))
	mux.HandleFunc("GET /crowd", s.page("crowd.html"))
	mux.HandleFunc("GET /crowd.json", s.crowd)
	static, err := fs.Sub(web, "web")
	if err != nil {
		panic(err) // a constant and valid path cannot fail
	}
	mux.Handle("GET /shop.css", http.FileServerFS(static))
	mux.Handle("GET /crowd.js", http.FileServerFS(static))
	s.Handler = mux
	return s
}

// theme is the value of the flag of that name.
type theme struct {
	Accent string `json:"accent"`
	Radius int    `json:"radius"`
}

// view is everything that a page shows, from one snapshot of the flags: a change that arrives while a page is being made is
// seen whole on the next one.
type view struct {
	User            string
	Products        []product
	Cart            product
	Banner          string
	FreeFrom        float64
	Shipping        float64
	Theme           theme
	NewCheckout     bool
	Button          string
	Recommendations bool
	Why             string
	Revision        string
}

func (s *shop) view(r *http.Request) view {
	ctx, flags := r.Context(), s.client.Snapshot()
	user := r.FormValue("user")
	if user == "" {
		user = "u-guest"
	}
	who := dimmer.NewContext(user).String("platform", "web")
	for _, attribute := range []string{"email", "country", "plan"} { // try ?user=ada&plan=gold
		if value := r.FormValue(attribute); value != "" {
			who = who.String(attribute, value)
		}
	}
	checkout := flags.BoolDetail(ctx, "new-checkout", who, false)
	v := view{
		User: user, Products: products, Cart: products[1],
		Banner:          flags.String(ctx, "banner", who, ""),
		FreeFrom:        flags.Float(ctx, "free-shipping-from", who, 50),
		Theme:           dimmer.Decode(ctx, flags, "theme", who, theme{Accent: "#2f5d50", Radius: 6}),
		NewCheckout:     checkout.Value,
		Button:          flags.String(ctx, "checkout-button", who, "Buy now"),
		Recommendations: flags.Bool(ctx, "recommendations", who, false),
		Why:             fmt.Sprintf("%s %s", checkout.Reason, checkout.Cause),
		Revision:        fmt.Sprint(checkout.Revision.Number),
	}
	if v.Cart.Price < v.FreeFrom {
		v.Shipping = 4.9
	}
	return v
}

// colour is what may stand in a style sheet; anything else could break out of it.
var colour = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)

// Style is the theme as CSS variables.
func (v view) Style() template.CSS {
	accent := v.Theme.Accent
	if !colour.MatchString(accent) {
		accent = "#2f5d50"
	}
	return template.CSS(fmt.Sprintf("--accent:%s;--radius:%dpx", accent, v.Theme.Radius))
}

// Total is what the cart costs with shipping.
func (v view) Total() float64 { return v.Cart.Price + v.Shipping }

func (s *shop) page(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var out bytes.Buffer
		if err := pages.ExecuteTemplate(&out, name, s.view(r)); err != nil {
			http.Error(w, "the page could not be made", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		_, _ = out.WriteTo(w) // the visitor has left
	}
}

// crowd says of each of 1,000 visitors whether the checkout is the new one.
func (s *shop) crowd(w http.ResponseWriter, r *http.Request) {
	flags := s.client.Snapshot()
	answer := struct {
		Revision int64  `json:"revision"`
		In       int    `json:"in"`
		Users    []bool `json:"users"`
	}{Revision: flags.Revision().Number, Users: make([]bool, 1000)}
	for i := range answer.Users {
		answer.Users[i] = flags.Bool(r.Context(), "new-checkout", dimmer.NewContext("u"+strconv.Itoa(i+1)), false)
		if answer.Users[i] {
			answer.In++
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(answer) // the visitor has left
}

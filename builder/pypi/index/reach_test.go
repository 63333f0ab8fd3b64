package index_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"larder/builder/fetch"
	"larder/builder/pypi/index"
	"larder/builder/pypi/pypitest"
)

func TestTLS(t *testing.T) {
	s := pypitest.NewIndex(t, pypitest.Options{TLS: true})
	add(s, "demo", "1.0")
	other := pypitest.NewAuthority(t)
	at := index.Config{Indexes: []string{s.URL()}, Access: fetch.Access{Retries: 5}}
	ask := func(edit func(*index.Config)) error {
		t.Helper()
		config := at
		edit(&config)
		_, err := newClient(t, config, quick).Project(t.Context(), "demo")
		return err
	}
	if err := ask(func(c *index.Config) { c.CABundles = []string{other.File, s.CA.File} }); err != nil {
		t.Fatal(err)
	}
	err := ask(func(c *index.Config) {})
	check(t, err, index.ErrUnreachable, "certificate signed by unknown authority")
	if !strings.Contains(hint(err), "cert option") {
		t.Fatalf("hint %q", hint(err))
	}
	err = ask(func(c *index.Config) { c.CABundles = []string{other.File} })
	check(t, err, index.ErrUnreachable, "unknown authority")
	if strings.Contains(err.Error(), "tries") {
		t.Fatalf("tried a bad certificate again: %v", err)
	}
	// trusted-host: not checked, for that host and port only.
	if err := ask(func(c *index.Config) { c.TrustedHosts = []string{"localhost"} }); err != nil {
		t.Fatal(err)
	}
	if err := ask(func(c *index.Config) { c.TrustedHosts = []string{"LOCALHOST:" + strings.Split(s.Host(), ":")[1]} }); err != nil {
		t.Fatal(err)
	}
	check(t, ask(func(c *index.Config) { c.TrustedHosts = []string{"localhost:1", "127.0.0.1"} }), index.ErrUnreachable, "unknown authority")
	// A certificate for another name.
	err = ask(func(c *index.Config) {
		c.CABundles = []string{s.CA.File}
		c.Indexes = []string{strings.Replace(s.URL(), "localhost", "127.0.0.2", 1)}
	})
	check(t, err, index.ErrUnreachable, "127.0.0.2")
	// Plain http where TLS is spoken, and the other way round.
	plain := pypitest.NewIndex(t, pypitest.Options{})
	err = ask(func(c *index.Config) {
		c.Indexes, c.Retries = []string{strings.Replace(plain.URL(), "http:", "https:", 1)}, 0
	})
	check(t, err, index.ErrUnreachable)
	err = ask(func(c *index.Config) { c.Indexes = []string{strings.Replace(s.URL(), "https:", "http:", 1)} })
	check(t, err, index.ErrRefused, "400")
}

func TestClientCertificate(t *testing.T) {
	s := pypitest.NewIndex(t, pypitest.Options{TLS: true, ClientCert: true})
	add(s, "demo", "1.0")
	config := index.Config{Indexes: []string{s.URL()}, Access: fetch.Access{CABundles: []string{s.CA.File}, Retries: 3}}
	_, err := newClient(t, config, quick).Project(t.Context(), "demo")
	check(t, err, index.ErrUnreachable, "certificate required")
	if !strings.Contains(hint(err), "client-cert") {
		t.Fatalf("hint %q", hint(err))
	}
	config.ClientCert = pypitest.NewAuthority(t).ClientFile(t)
	_, err = newClient(t, config, quick).Project(t.Context(), "demo")
	check(t, err, index.ErrUnreachable, "certificate")
	config.ClientCert = s.CA.ClientFile(t)
	if _, err := newClient(t, config, quick).Project(t.Context(), "demo"); err != nil {
		t.Fatal(err)
	}
}

// TestFallbackAuthorities: pip's own bundle only counts where the system has
// none; here it must not make an index believed.
func TestFallbackAuthorities(t *testing.T) {
	s := pypitest.NewIndex(t, pypitest.Options{TLS: true})
	_, err := newClient(t, index.Config{Indexes: []string{s.URL()}, Access: fetch.Access{FallbackCA: s.CA.File}}, quick).Project(t.Context(), "demo")
	check(t, err, index.ErrUnreachable, "unknown authority")
}

func TestNoConnection(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	_, err = newClient(t, index.Config{Indexes: []string{"http://" + l.Addr().String() + "/simple"}, Access: fetch.Access{Retries: 2}}, quick).Project(t.Context(), "demo")
	check(t, err, index.ErrUnreachable, "connection refused", "(3 tries)")
	_, err = newClient(t, index.Config{Indexes: []string{"https://index.invalid/simple"}, Access: fetch.Access{Retries: 0}}, quick).Project(t.Context(), "demo")
	check(t, err, index.ErrUnreachable, "index.invalid")
	if hint(err) == "" {
		t.Fatal("no hint")
	}
}

func TestProxy(t *testing.T) {
	s := pypitest.NewIndex(t, pypitest.Options{})
	add(s, "demo", "1.0")
	secure := pypitest.NewIndex(t, pypitest.Options{TLS: true})
	add(secure, "demo", "1.0")
	p := pypitest.NewProxy(t, "via", "p:@ss")
	p.Hosts["index.example:80"], p.Hosts["index.example"] = s.Host(), s.Host()
	config := index.Config{Indexes: []string{"http://index.example/simple"}, Access: fetch.Access{TrustedHosts: []string{"index.example"}, Proxy: fetch.ProxyFor(p.URL())}}
	if _, err := newClient(t, config, quick).Project(t.Context(), "demo"); err != nil {
		t.Fatal(err)
	}
	// By the environment, where loopback is never proxied.
	env := map[string]string{"http_proxy": p.URL(), "HTTPS_PROXY": p.URL(), "no_proxy": "direct.example"}
	config.Proxy = fetch.ProxyFromEnvironment(func(k string) string { return env[k] })
	if _, err := newClient(t, config, quick).Project(t.Context(), "demo"); err != nil {
		t.Fatal(err)
	}
	all := fetch.ProxyFromEnvironment(func(k string) string { return map[string]string{"ALL_PROXY": p.URL()}[k] })
	config.Proxy = all
	if _, err := newClient(t, config, quick).Project(t.Context(), "demo"); err != nil {
		t.Fatal(err)
	}
	if n := len(p.Requests()); n != 3 {
		t.Fatalf("the proxy saw %d requests", n)
	}
	// CONNECT.
	tunnel := index.Config{Indexes: []string{secure.URL()}, Access: fetch.Access{CABundles: []string{secure.CA.File}, Proxy: fetch.ProxyFor(p.URL())}}
	if _, err := newClient(t, tunnel, quick).Project(t.Context(), "demo"); err != nil {
		t.Fatal(err)
	}
	if r := p.Requests(); r[3].Method != http.MethodConnect || r[3].Path != secure.Host() {
		t.Fatalf("%+v", r[3])
	}
	// The wrong password, for both kinds.
	wrong := strings.Replace(p.URL(), "via:", "vic:", 1)
	for _, config := range []index.Config{config, tunnel} {
		config.Proxy = fetch.ProxyFor(wrong)
		_, err := newClient(t, config, quick).Project(t.Context(), "demo")
		check(t, err, index.ErrUnreachable)
		if !strings.Contains(hint(err), "proxy option") || strings.Contains(err.Error(), "vic") {
			t.Fatalf("%v, hint %q", err, hint(err))
		}
	}
}

// TestRedirects between hosts: credentials stay, schemes and places are held to.
func TestRedirects(t *testing.T) {
	far := pypitest.NewIndex(t, pypitest.Options{TLS: true})
	add(far, "demo", "1.0")
	near := pypitest.NewIndex(t, pypitest.Options{User: "someone", Password: "secret"})
	config := index.Config{Indexes: []string{near.AuthURL()}, Access: fetch.Access{CABundles: []string{far.CA.File}}}
	near.Fault(near.PagePath("demo"), pypitest.Fault{Redirect: far.URL() + "demo/"})
	p, err := newClient(t, config, quick).Project(t.Context(), "demo")
	if err != nil || len(p.Files) != 1 || p.Files[0].Index != near.URL() || !strings.HasPrefix(p.Files[0].URL, "https://localhost:") {
		t.Fatal(p, err)
	}
	if h := near.Requests()[0].Header.Get("Authorization"); h == "" {
		t.Fatal("no credentials for the index itself")
	}
	if h := far.Requests()[0].Header.Get("Authorization"); h != "" {
		t.Fatalf("credentials went to another host: %q", h)
	}
	// From https to plain http, even at the same host.
	far.Fault(far.PagePath("demo"), pypitest.Fault{Redirect: near.URL() + "demo/"})
	_, err = newClient(t, index.Config{Indexes: []string{far.URL()}, Access: fetch.Access{CABundles: []string{far.CA.File}}}, quick).Project(t.Context(), "demo")
	check(t, err, index.ErrRefused, "from https to plain http")
	if _, err = newClient(t, index.Config{Indexes: []string{far.URL()}, Access: fetch.Access{CABundles: []string{far.CA.File}, TrustedHosts: []string{near.Host()}}}, quick).Project(t.Context(), "demo"); err == nil || !strings.Contains(err.Error(), "401") {
		t.Fatalf("a trusted host was not followed: %v", err)
	}
	// From a public name to this machine, through a proxy that knows the name.
	proxy := pypitest.NewProxy(t, "", "")
	public := pypitest.NewIndex(t, pypitest.Options{})
	proxy.Hosts["index.example"] = public.Host()
	for _, to := range []string{"http://127.0.0.1:1/", "http://localhost/x", "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://169.254.169.254/latest/", "http://[fe80::1]/", "http://0.0.0.0/"} {
		public.Fault(public.PagePath("demo"), pypitest.Fault{Redirect: to})
		config := index.Config{Indexes: []string{"http://index.example/simple/"}, Access: fetch.Access{TrustedHosts: []string{"index.example", "169.254.169.254", "fe80::1"}, Proxy: fetch.ProxyFor(proxy.URL())}}
		_, err := newClient(t, config, quick).Project(t.Context(), "demo")
		check(t, err, index.ErrRefused, "address of this machine or link")
	}
}

// TestSecrets drives every error path with credentials in everything that may
// carry them, and looks for them in all that comes back.
func TestSecrets(t *testing.T) {
	const user, password = "hush-user", "hush-password"
	s := pypitest.NewIndex(t, pypitest.Options{User: user, Password: password, Mirror: true})
	add(s, "demo", "1.0")
	c := client(t, s, quick)
	p, err := c.Project(t.Context(), "demo")
	if err != nil {
		t.Fatal(err)
	}
	f := p.Files[0]
	if strings.Contains(fmt.Sprintf("%+v", p), "hush") {
		t.Fatalf("%+v", p)
	}
	f.URL += "?signature=hush-query"
	page, file := s.PagePath("demo"), s.FilePath(f.Filename)
	n := 0
	look := func(err error) {
		t.Helper()
		n++
		if err == nil {
			t.Error("no error")
			return
		}
		for _, form := range []string{"%v", "%+v", "%s", "%q"} {
			if text := fmt.Sprintf(form, err) + hint(err); strings.Contains(text, "hush") {
				t.Errorf("tells a secret: %s", text)
			}
		}
	}
	all := func(c *index.Client) {
		t.Helper()
		_, err := c.Project(t.Context(), "demo")
		look(err)
		_, err = c.Fetch(t.Context(), f, &memory{})
		look(err)
		_, err = c.FetchMetadata(t.Context(), f)
		look(err)
		g := f
		g.URL += fmt.Sprint(n)                           // sizes are remembered
		if _, err = c.Size(t.Context(), g); err != nil { // HEAD has no body to cut
			look(err)
		}
	}
	for _, fault := range []pypitest.Fault{
		{Status: 401}, {Status: 403}, {Status: 404}, {Status: 429}, {Status: 500}, {Status: 302},
		{Redirect: "http://hush-user:hush-password@h.example:port/"}, {Redirect: "ftp://hush-user:hush-password@h.example/?hush"},
		{Redirect: "http://hush-user:hush-password@127.0.0.1:1/?hush#hush"}, {Redirect: "http://hush\x7f/"}, {Redirect: "?hush"}, {Redirect: "//hush-user:hush-password@index.invalid/"},
		{Cut: true}, {Status: 206, Encoding: "x"},
	} {
		for _, path := range []string{page, file, file + ".metadata"} {
			s.Fault(path, fault)
		}
		all(client(t, s, quick))
	}
	o := quick
	o.MaxPage, o.MaxFile, o.MaxMetadata = 10, 10, 10
	for _, path := range []string{page, file, file + ".metadata"} {
		s.Fault(path, pypitest.Fault{})
	}
	_, err = client(t, s, o).Project(t.Context(), "demo")
	look(err)
	_, err = client(t, s, o).Fetch(t.Context(), f, &memory{})
	look(err)
	_, err = client(t, s, o).FetchMetadata(t.Context(), f)
	look(err)
	// Nobody there, no TLS there, a proxy that is not there.
	port := strings.TrimPrefix(s.Host(), "127.0.0.1:")
	f.URL = strings.Replace(f.URL, "http://", "https://", 1)
	all(newClient(t, index.Config{Indexes: []string{"https://hush-user:hush-password@127.0.0.1:" + port + "/simple"}}, quick))
	f.URL = "https://index.invalid/demo-1.0-py3-none-any.whl?hush"
	all(newClient(t, index.Config{Indexes: []string{"https://hush-user:hush-password@index.invalid/simple"}}, quick))
	all(newClient(t, index.Config{Indexes: []string{"https://hush-user@index.invalid/simple"}, Access: fetch.Access{Proxy: fetch.ProxyFor("http://hush-user:hush-password@127.0.0.1:1")}}, quick))
	all(newClient(t, index.Config{Indexes: []string{"https://hush-user@index.invalid/simple"}, Access: fetch.Access{Proxy: fetch.ProxyFor("socks5://hush-user:hush-password@127.0.0.1:1")}}, quick))
	for _, bad := range []string{"https://hush-user:hush-password@h:port/", "hush-user:hush-password", "https://hush-user:hush-password@/x", "ftp://hush-user:hush-password@h/", "http://hush-user:hush-password@h.example/"} {
		_, err := index.New(index.Config{Indexes: []string{bad}}, quick)
		look(err)
		_, err = index.New(index.Config{Indexes: []string{"https://h.example"}, Access: fetch.Access{Proxy: fetch.ProxyFor(strings.Replace(bad, "http://", "gopher://", 1))}}, quick)
		if strings.HasPrefix(bad, "https://hush-user:hush-password@/") || strings.Contains(bad, ":port") || strings.Contains(bad, "ftp") || strings.HasPrefix(bad, "http:") {
			look(err)
		}
	}
	f.URL = "https://hush-user:hush-password@h:port/x"
	_, err = c.Fetch(t.Context(), f, &memory{})
	look(err)
	if n < 80 {
		t.Fatalf("only %d errors looked at", n)
	}
}

// TestConnectionsReused: pages, one after the other, share a connection.
func TestConnectionsReused(t *testing.T) {
	s := pypitest.NewIndex(t, pypitest.Options{TLS: true, Gzip: true})
	c := client(t, s, quick)
	for i := range 20 {
		name := fmt.Sprint("demo", i)
		add(s, name, "1.0")
		p, err := c.Project(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Fetch(t.Context(), p.Files[0], &memory{}); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.Connections(); n != 1 {
		t.Fatalf("%d connections", n)
	}
}

// TestStatusBodies: the text of an error page keeps nobody waiting, and costs
// no connection when it is short.
func TestStatusBodies(t *testing.T) {
	s := pypitest.NewIndex(t, pypitest.Options{})
	s.Fault(s.PagePath("demo"), pypitest.Fault{Status: 503, Body: strings.Repeat("sorry ", 1000), Drip: 50 * time.Millisecond, Times: 1})
	add(s, "demo", "1.0")
	start := time.Now()
	c := client(t, s, quick)
	if _, err := c.Project(t.Context(), "demo"); err != nil || time.Since(start) > 20*time.Second {
		t.Fatal(err, time.Since(start))
	}
	for i := range 20 {
		if _, err := c.Project(t.Context(), fmt.Sprint("nobody", i)); err == nil {
			t.Fatal("found nobody")
		}
	}
	if n := s.Connections(); n != 2 {
		t.Fatalf("%d connections: the dripping one, and one for all the rest were to be enough", n)
	}
}

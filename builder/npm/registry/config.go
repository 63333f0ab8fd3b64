package registry

import (
	"bytes"
	"cmp"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"larder/builder/fetch"
)

// ErrConfig: npm's configuration cannot be read, or asks for something that cannot be done.
var ErrConfig = errors.New("npm configuration not usable")

// Config is where registries are and how they are reached: what npm would use. It may be printed:
// credentials stay hidden.
type Config struct {
	Registry string            // for all that no scope has
	Scopes   map[string]string // by scope, such as "@corp"
	fetch.Access
}

// names are what npm's users call what a client is configured by.
var names = fetch.Names{
	Address: "registry", Login: "~/.npmrc (npm login writes it)", CABundle: "npm's cafile option",
	ClientCert: "npm's certfile option", Proxy: "npm's https-proxy option", Show: "npm config list",
}

// npmTime bounds the one start of npm, which needs half a second.
const npmTime = 2 * time.Minute

// FromNPM is what npm would use in this process's environment, in no project.
func FromNPM(ctx context.Context) (Config, error) {
	npm, err := exec.LookPath("npm")
	if err != nil {
		npm = ""
	}
	return fromNPM(ctx, npm, os.Environ())
}

// fromNPM asks the program npm, unless it is "".
func fromNPM(ctx context.Context, npm string, environ []string) (Config, error) {
	getenv := func(name string) (string, bool) {
		at := slices.IndexFunc(environ, func(line string) bool { return strings.HasPrefix(line, name+"=") })
		if at < 0 {
			return "", false
		}
		return environ[at][len(name)+1:], true
	}
	s := settings{}
	s.environment(environ)
	home, _ := getenv("HOME")
	told := settings{}
	if npm != "" {
		var err error
		if told, err = ask(ctx, npm, environ); err != nil {
			return Config{}, err
		}
	}
	for _, path := range []string{
		cmp.Or(s["userconfig"], told["userconfig"], filepath.Join(home, ".npmrc")),
		cmp.Or(s["globalconfig"], told["globalconfig"], "/etc/npmrc"),
	} {
		if err := s.file(path, getenv); err != nil {
			return Config{}, err
		}
	}
	// What npm says is the last word: it has defaults, too. Of logins it says nothing that counts.
	for key, value := range told {
		if !strings.HasPrefix(key, "//") {
			s[key] = value
		}
	}
	return s.config(getenv)
}

// ask has npm say what it is configured to do. What is secret it does not tell.
func ask(ctx context.Context, npm string, environ []string) (settings, error) {
	call, cancel := context.WithTimeout(ctx, npmTime)
	defer cancel()
	cmd := exec.CommandContext(call, npm, "config", "list", "--json")
	cmd.Dir, cmd.Env, cmd.WaitDelay = "/", environ, time.Second // in no project
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var told map[string]any
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("ask npm for its configuration: %w", context.Cause(ctx))
	case call.Err() != nil:
		return nil, fmt.Errorf("%w: %s did not answer within %s", ErrConfig, npm, npmTime)
	case err != nil:
		why, _, _ := strings.Cut(strings.TrimSpace(stderr.String()), "\n")
		return nil, fetch.Hinted(fmt.Errorf("%w: %s config list fails: %w: %.200q", ErrConfig, npm, err, why), "mend npm, or take it off PATH and name the registry with npm_config_registry")
	case json.Unmarshal(stdout.Bytes(), &told) != nil:
		return nil, fmt.Errorf("%w: the answer of %s config list cannot be read", ErrConfig, npm)
	}
	s := settings{}
	for key, value := range told {
		switch v := value.(type) {
		case string:
			s.add(key, v)
		case bool, float64:
			s.add(key, fmt.Sprint(v))
		case []any:
			var words []string
			for _, word := range v {
				words = append(words, fmt.Sprint(word))
			}
			s.add(key, strings.Join(words, ","))
		}
	}
	return s, nil
}

func (s settings) config(getenv func(string) (string, bool)) (Config, error) {
	c := Config{Registry: s["registry"], Scopes: map[string]string{}}
	if c.Registry == "" {
		return Config{}, fetch.Hinted(fmt.Errorf("%w: no npm is on PATH, and no registry is configured", ErrConfig), "install npm, or name the registry with npm_config_registry or in ~/.npmrc")
	}
	for key, value := range s {
		if scope, is := strings.CutSuffix(key, ":registry"); is && strings.HasPrefix(scope, "@") {
			c.Scopes[scope] = value
		}
	}
	plain := map[string]bool{} // hosts whose registries are asked by http
	check := func(raw *string) error {
		u, err := parseRegistry(*raw)
		if err != nil {
			return err
		}
		*raw = u.String() // without a user
		plain[u.Host] = plain[u.Host] || u.Scheme == "http"
		if s["strict-ssl"] == "false" {
			c.TrustedHosts = append(c.TrustedHosts, u.Host)
		}
		return nil
	}
	if err := check(&c.Registry); err != nil {
		return Config{}, err
	}
	for scope, raw := range c.Scopes {
		if err := check(&raw); err != nil {
			return Config{}, err
		}
		c.Scopes[scope] = raw
	}
	c.ExtraCA, _ = getenv("NODE_EXTRA_CA_CERTS") // node's own, for where npm's options name none
	if s["cafile"] != "" {
		c.CABundles = []string{s["cafile"]}
	} else if ca := s["ca"] + s["ca[]"]; ca != "" && ca != "null" {
		c.CAText = strings.ReplaceAll(ca, "-----,-----", "-----\n-----") // a list of npm's
		if _, list := s["ca[]"]; list || !x509.NewCertPool().AppendCertsFromPEM([]byte(c.CAText)) {
			return Config{}, fetch.Hinted(fmt.Errorf("%w: its option ca holds no certificate that can be read", ErrConfig), "put the certificates into a file, and name that with npm's cafile option")
		}
	}
	for _, inline := range []string{"cert", "key"} {
		if v := s[inline]; v != "" && v != "null" {
			return Config{}, fetch.Hinted(fmt.Errorf("%w: its option %s holds a client's certificate or key", ErrConfig, inline), "put both into files, and name those with certfile and keyfile of the registry's address, as npm 9 and later want it")
		}
	}
	if retries, err := strconv.Atoi(cmp.Or(s["fetch-retries"], "2")); err == nil {
		c.Retries = retries
	}
	if ms, err := strconv.ParseFloat(s["fetch-timeout"], 64); err == nil && ms < 1e7 {
		c.Timeout = time.Duration(ms * float64(time.Millisecond))
	}
	c.Proxy = s.proxy(getenv)
	return c, s.logins(&c, plain)
}

// proxy is npm's own choice before the environment's.
func (s settings) proxy(getenv func(string) (string, bool)) fetch.Proxy {
	own := map[string]string{
		"HTTPS_PROXY": cmp.Or(s["https-proxy"], s["proxy"]), "HTTP_PROXY": cmp.Or(s["proxy"], s["http-proxy"]), "NO_PROXY": s["noproxy"],
	}
	return fetch.ProxyFromEnvironment(func(name string) string {
		switch v := own[strings.ToUpper(name)]; v {
		case "false":
			return ""
		case "", "null":
			v, _ = getenv(name)
			return v
		default:
			return v
		}
	})
}

// logins takes what is set for addresses: "//host/path/:_authToken". They have no scheme: it is https,
// and http too where a registry of the host is asked so. Of several for one address the first kind counts.
func (s settings) logins(c *Config, plain map[string]bool) error {
	for _, kind := range []string{"_authToken", "_auth", "username", "certfile"} {
		for key, value := range s {
			at, is := strings.CutSuffix(key, ":"+kind)
			if !is || !strings.HasPrefix(at, "//") {
				continue
			}
			if kind == "certfile" {
				key := s[at+":keyfile"]
				if key == "" {
					return fetch.Hinted(fmt.Errorf("%w: certfile of %.200s has no keyfile beside it", ErrConfig, at), "name the key's file with "+at+":keyfile")
				}
				if c.ClientCert != "" && (c.ClientCert != value || c.ClientKey != key) {
					return fetch.Hinted(fmt.Errorf("%w: registries have client's certificates of their own", ErrConfig), "use one certificate for all: the same certfile and keyfile")
				}
				c.ClientCert, c.ClientKey = value, key
				continue
			}
			header, err := s.header(kind, at, value)
			if err != nil {
				return fetch.Hinted(fmt.Errorf("%w: %w", ErrConfig, err), "npm login writes it anew")
			}
			for _, scheme := range []string{"https", "http"} {
				u, err := url.Parse(scheme + ":" + at)
				if err == nil && header != "" && (scheme == "https" || plain[u.Host]) {
					c.Credentials.AddBelow(u, header)
				}
			}
		}
	}
	return nil
}

// header is what a login is sent as; "" is none.
func (s settings) header(kind, at, value string) (string, error) {
	if strings.ContainsAny(value, "\r\n") {
		return "", fmt.Errorf("a %s is of more than one line", kind)
	}
	switch kind {
	case "_authToken":
		return "Bearer " + value, nil
	case "_auth":
		return "Basic " + value, nil
	}
	encoded, is := s[at+":_password"]
	if !is {
		return "", nil
	}
	password, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return "", fmt.Errorf("the _password of user %.100q is not base64", value)
	}
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(value+":"+string(password))), nil
}

// parseRegistry checks the address of a registry. A user in it counts for nothing, as with npm.
func parseRegistry(raw string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(raw))
	if err != nil || u.Hostname() == "" || u.Opaque != "" || u.Scheme != "http" && u.Scheme != "https" {
		// Not wrapped: the parser's error quotes the URL, password and all.
		return nil, fetch.Hinted(fmt.Errorf("%w: a registry's URL is not of the form https://host/path", ErrConfig), "see npm config list")
	}
	u.User, u.RawQuery, u.Fragment, u.RawFragment = nil, "", "", ""
	return u, nil
}

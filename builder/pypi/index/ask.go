package index

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"

	"larder/builder/fetch"
)

//go:embed askpip.py
var askPip string

// Bundled begins a program of Python's that may need the pip of ensurepip: it defines bundled().
//
//go:embed bundled.py
var Bundled string

// pipTime bounds the one python start; pip's parser needs half a second, and on a host at a load of 20
// has needed more than a minute.
const pipTime = 5 * time.Minute

// pipAnswer is the line askpip.py prints.
type pipAnswer struct {
	Pip         string               `json:"pip"`
	IndexURL    string               `json:"index_url"`
	Extra       []string             `json:"extra"`
	NoIndex     bool                 `json:"no_index"`
	Trusted     []string             `json:"trusted"`
	Cert        string               `json:"cert"`
	ClientCert  string               `json:"client_cert"`
	Proxy       string               `json:"proxy"`
	Timeout     float64              `json:"timeout"`
	Retries     int                  `json:"retries"`
	Authorities string               `json:"authorities"`
	Netrc       map[string][2]string `json:"netrc"`
}

// FromPip asks the pip that belongs to an interpreter (its command line, such
// as {"/usr/bin/python3"}) what `pip install` would use: PIP_* variables, its
// configuration files, netrc, else pip's own default. One start of Python, in
// this process's environment and working directory, isolated (-I) from both: a
// pip in the user's own site does not count. find-links is not read.
func FromPip(ctx context.Context, python []string) (Config, error) {
	if len(python) == 0 {
		python = []string{"python3"}
	}
	call, cancel := context.WithTimeout(ctx, pipTime)
	defer cancel()
	// -I: nothing is imported from the working directory, nor from where
	// PYTHON* variables say. PIP_* ones are still read.
	cmd := exec.CommandContext(call, python[0], slices.Concat([]string{"-I"}, python[1:], []string{"-c", Bundled + askPip})...)
	cmd.WaitDelay = time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return Config{}, fmt.Errorf("ask pip for its configuration: %w", ctx.Err())
	case call.Err() != nil:
		return Config{}, fmt.Errorf("%w: %s did not answer within %s", ErrConfig, python[0], pipTime)
	case err != nil:
		return Config{}, pipFailed(python[0], err, stdout.String()+"\n"+stderr.String())
	}
	var a pipAnswer
	lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &a); err != nil {
		return Config{}, fmt.Errorf("%w: the answer of %s cannot be read", ErrConfig, python[0])
	}
	return a.config(python[0], os.Getenv)
}

func (a *pipAnswer) config(python string, getenv func(string) string) (Config, error) {
	c := Config{Access: fetch.Access{
		FallbackCA: a.Authorities, ClientCert: a.ClientCert,
		TrustedHosts: a.Trusted, Retries: a.Retries,
		Timeout: time.Duration(a.Timeout * float64(time.Second)),
	}}
	if a.NoIndex {
		return Config{}, fetch.Hinted(fmt.Errorf("%w: no-index is set", ErrConfig), "unset no-index (PIP_NO_INDEX): the packages come from an index")
	}
	if a.IndexURL == "" {
		if a.Pip == "" {
			return Config{}, fetch.Hinted(fmt.Errorf("%w: %s has no pip to ask for the default index, and none is configured", ErrConfig, python),
				"install pip for it, or set PIP_INDEX_URL")
		}
		return Config{}, fetch.Hinted(fmt.Errorf("%w: index-url is empty", ErrConfig), "set index-url in pip's configuration or PIP_INDEX_URL")
	}
	for _, raw := range append([]string{a.IndexURL}, a.Extra...) {
		u, user, err := parseIndex(raw)
		if err != nil {
			return Config{}, fetch.Hinted(err, "see pip config list, and PIP_INDEX_URL and PIP_EXTRA_INDEX_URL")
		}
		if user != nil {
			c.Credentials.Add(u, user)
		}
		c.Indexes = append(c.Indexes, u.String())
	}
	for host, v := range a.Netrc {
		c.Credentials.AddHost(host, v[0], v[1])
	}
	// requests, below pip, reads these two, the first that is set, and even
	// lets them outrank cert. What is named on purpose is believed here too.
	for _, bundle := range []string{a.Cert, cmp.Or(getenv("REQUESTS_CA_BUNDLE"), getenv("CURL_CA_BUNDLE"))} {
		if bundle != "" && !slices.Contains(c.CABundles, bundle) {
			c.CABundles = append(c.CABundles, bundle)
		}
	}
	if a.Proxy != "" {
		c.Proxy = fetch.ProxyFor(a.Proxy)
	} else {
		c.Proxy = fetch.ProxyFromEnvironment(getenv)
	}
	return c, nil
}

// userinfo in anything that looks like a URL. pip quotes the line of a
// configuration file it cannot read.
var userinfo = regexp.MustCompile(`//[^/\s'"]*@`)

// pipFailed makes one line of what the interpreter said.
func pipFailed(python string, err error, output string) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return fetch.Hinted(fmt.Errorf("%w: start %s: %w", ErrConfig, python, err), "name the interpreter whose pip is to be asked")
	}
	said := "it said nothing"
	for line := range strings.Lines(output) {
		if line = strings.TrimSpace(line); line != "" {
			said = line
		}
	}
	said = userinfo.ReplaceAllString(said, "//…@")
	if len(said) > 300 {
		said = said[:300] + "…"
	}
	return fetch.Hinted(fmt.Errorf("%w: pip of %s: %s", ErrConfig, python, said), "try: "+python+" -m pip config list")
}

package lock

import (
	"iter"
	"strings"
)

// joinLines yields the lines of a requirements file with their numbers, and joins
// lines that end in a backslash, as pip does: a comment line ends what it continues.
func joinLines(text string) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		var open []byte  // kept from one requirement to the next
		first, n := 0, 0 // first > 0: a line is being continued
		for line := range strings.SplitSeq(strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n"), "\n") {
			n++
			comment := strings.HasPrefix(strings.TrimLeft(line, " \t\f\v"), "#")
			if strings.HasSuffix(line, `\`) && !comment {
				if first == 0 {
					first = n
				}
				open = append(open, strings.Trim(line, `\`)...)
				continue
			}
			if comment {
				line = " " + line // keeps "#" behind white space once joined
			}
			at := n
			if first > 0 {
				at, line, first = first, string(append(open, line...)), 0
				open = open[:0]
			}
			if !yield(at, line) {
				return
			}
		}
		if first > 0 {
			yield(first, string(open))
		}
	}
}

// stripComment removes a comment, which begins the line or follows white space.
func stripComment(line string) string {
	for i := range len(line) {
		if line[i] == '#' && (i == 0 || strings.IndexByte(" \t\f\v", line[i-1]) >= 0) {
			line = line[:i]
			break
		}
	}
	return strings.TrimSpace(line)
}

// splitOption splits "--opt=arg", "--opt arg", "-r arg" and "-rarg".
func splitOption(text string) (opt, arg string) {
	n := strings.IndexAny(text, "= \t")
	switch {
	case n < 0:
		opt = text
	case text[n] == '=':
		opt, arg = text[:n], text[n+1:]
	default:
		opt, arg = text[:n], strings.TrimLeft(text[n:], " \t=")
	}
	if len(opt) > 2 && opt[0] == '-' && opt[1] != '-' {
		opt, arg = opt[:2], text[2:]
	}
	arg = strings.TrimSpace(arg)
	if n := len(arg); n >= 2 && (arg[0] == '"' || arg[0] == '\'') && arg[n-1] == arg[0] {
		arg = arg[1 : n-1]
	}
	return opt, arg
}

// splitHashes cuts the options off a requirement and returns its SHA-256 digests:
// nil when no hash is given.
func splitHashes(at position, text string) (spec string, hashes []string, err error) {
	fields := strings.Fields(text)
	n := 1
	for n < len(fields) && !strings.HasPrefix(fields[n], "-") {
		n++
	}
	spec = strings.Join(fields[:n], " ")
	foreign := ""
	for i := n; i < len(fields); i++ {
		opt, arg, has := strings.Cut(fields[i], "=")
		if !has && i+1 < len(fields) {
			i++
			arg = fields[i]
		}
		switch opt {
		case "--hash":
			algorithm, hex, _ := strings.Cut(strings.Trim(arg, `"'`), ":")
			if algorithm != "sha256" {
				foreign = algorithm
				continue
			}
			h, ok := digest(hex)
			if !ok {
				return "", nil, at.refuse("write the 64 hexadecimal digits of the SHA-256", "bad hash %s", show(arg))
			}
			if hashes = append(hashes, h); len(hashes) > maxHashes {
				return "", nil, at.refuse("make the lock anew", "more than %d hashes", maxHashes)
			}
		case "--config-settings", "--config-setting", "-C", "--global-option", "--build-option", "--install-option":
			// only builds from source heed them
		default:
			return "", nil, at.refuse("take the option out", "unknown option %s", show(opt))
		}
	}
	if hashes == nil && foreign != "" {
		return "", nil, at.refuse("add --hash=sha256:…", "only a %s hash, SHA-256 is needed", show(foreign))
	}
	return spec, hashes, nil
}

// direct tells whether a line means a file, directory, repository or URL instead
// of a project, without repeating it: a URL may hold a password.
func direct(spec string) (what, fix string) {
	head, _, _ := strings.Cut(spec, ";")
	head = strings.TrimSpace(head)
	pinned := "pin a released version: NAME==VERSION"
	lower := strings.ToLower(head)
	switch {
	case strings.Contains(head, "${"):
		return "a line with an environment variable", "write what the variable stands for"
	case strings.Contains(head, " @ "): // name @ URL: the parser knows the name
		return "", ""
	case strings.HasPrefix(lower, "git+"), strings.HasPrefix(lower, "hg+"), strings.HasPrefix(lower, "svn+"), strings.HasPrefix(lower, "bzr+"):
		return "a repository", pinned
	case strings.Contains(head, "://"), strings.HasPrefix(lower, "file:"):
		return "a URL", pinned
	case strings.HasPrefix(head, "."), strings.ContainsAny(head, `/\`):
		return "a path", pinned
	}
	for _, suffix := range [...]string{".whl", ".tar.gz", ".zip", ".tar.bz2", ".tgz"} {
		if strings.HasSuffix(lower, suffix) {
			return "a file", pinned
		}
	}
	return "", ""
}

// Package reqfile reads requirements files whose requirements are pinned, in the
// syntax of pip's req_file.py: comments, joined lines, -r and -c, hashes, markers.
//
// A constraint limits or pins what some line asks for, and nothing else. Where one
// pin has a hash, or --require-hashes is given, every pin needs one, as for pip.
// Options that say where to download from are ignored. A line that names a file,
// a directory, a repository or a URL is refused, and not repeated in the message.
package reqfile

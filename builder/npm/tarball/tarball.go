package tarball

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/flate"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"larder/snapshot"
	"larder/snapshot/image"
)

// limits bound what a hostile tarball can cost. A zero field takes the default.
type limits struct {
	Files     int   // entries, and the directories that their names imply; default 100,000 (the largest packages have about 10,000)
	TotalSize int64 // bytes unpacked; default 4 GiB (the largest packages have some 300 MB)
	Ratio     int64 // unpacked over packed, once more than Free is unpacked; default 100 (deflate's own limit is 1032)
	Free      int64 // bytes that may be unpacked at any ratio; default 256 MiB
}

func (l limits) orDefault() limits {
	return limits{cmp.Or(l.Files, 100_000), cmp.Or(l.TotalSize, 4<<30), cmp.Or(l.Ratio, 100), cmp.Or(l.Free, 256<<20)}
}

// Memory is what reading a tarball may take: names of all its files, and what package.json files say.
const Memory = 256 << 20

// Source is a tarball's bytes.
type Source struct {
	io.ReaderAt
	Size     int64
	Filename string // for messages
}

// Unpack reads a tarball of a package's version to its end, puts its files into the pool and lists
// what npm makes of it, sorted. An error about the tarball is a *Refusal.
func Unpack(ctx context.Context, src Source, name, version string, put image.Put) ([]image.Entry, error) {
	return unpack(ctx, src, name, version, put, limits{})
}

func unpack(ctx context.Context, src Source, name, version string, put image.Put, most limits) ([]image.Entry, error) {
	u := &unpacker{src: src, put: put, most: most.orDefault(), entries: map[string]image.Entry{}, packages: map[string][]byte{}}
	entries, err := u.run(ctx, name, version)
	var r *Refusal
	if errors.As(err, &r) {
		r.File = src.Filename
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", src.Filename, err)
	}
	return entries, nil
}

// unpacker is one tarball on its way.
type unpacker struct {
	src  Source
	put  image.Put
	most limits

	entries   map[string]image.Entry // by path
	ignores   []image.Entry          // .gitignore files
	packages  map[string][]byte      // package.json files of it and of what it bundles, by directory
	manifests int                    // bytes of them
}

func (u *unpacker) run(ctx context.Context, name, version string) ([]image.Entry, error) {
	if err := u.each(ctx, u.entry); err != nil {
		return nil, err
	}
	u.ignore()
	if err := u.parents(); err != nil {
		return nil, err
	}
	programs, err := u.check(name, version)
	if err != nil {
		return nil, err
	}
	if err := u.mend(ctx, programs); err != nil {
		return nil, err
	}
	entries := make([]image.Entry, 0, len(u.entries))
	for _, e := range u.entries {
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b image.Entry) int { return strings.Compare(a.Path, b.Path) })
	return entries, nil
}

// each calls fn for every regular file of the archive, by its path below the package, and reads the
// archive to its end.
func (u *unpacker) each(ctx context.Context, fn func(h *tar.Header, name string, r io.Reader) error) error {
	packed, err := gzip.NewReader(io.NewSectionReader(u.src, 0, u.src.Size))
	if err != nil {
		return broken(err)
	}
	plain := &bounded{r: packed, packed: u.src.Size, most: u.most, ctx: ctx}
	archive := tar.NewReader(plain)
	for n := 0; ; n++ {
		h, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return broken(err)
		}
		if n >= u.most.Files {
			return refuse("has more than %d entries", u.most.Files)
		}
		wanted, err := checkHeader(h)
		if err != nil {
			return err
		}
		name := strip(h.Name)
		if !wanted || name == "" { // npm leaves out what lies beside the package's directory
			continue
		}
		if err := fn(h, name, archive); err != nil {
			return broken(err)
		}
	}
	// The rest counts for the checksum. Some readers find entries in it.
	_, err = io.Copy(zeros{}, plain)
	return broken(err)
}

// zeros takes nothing else.
type zeros struct{}

func (zeros) Write(p []byte) (int, error) {
	if bytes.ContainsFunc(p, func(r rune) bool { return r != 0 }) {
		return 0, refuse("goes on after the end of its archive")
	}
	return len(p), nil
}

// broken refuses what is no archive. Errors that are not about the archive stay what they are.
func broken(err error) error {
	var corrupt flate.CorruptInputError
	for _, kind := range []error{tar.ErrHeader, tar.ErrFieldTooLong, gzip.ErrHeader, gzip.ErrChecksum, io.ErrUnexpectedEOF, io.EOF} {
		if errors.Is(err, kind) || errors.As(err, &corrupt) {
			return refuse("is not a whole gzipped tar archive: %v", err)
		}
	}
	return err
}

// checkHeader applies the rules about one entry alone, and says whether npm unpacks such.
func checkHeader(h *tar.Header) (wanted bool, _ error) {
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return false, refuseEntry(h.Name, "is a sparse file")
		}
	}
	if h.Typeflag == tar.TypeXGlobalHeader {
		for _, key := range []string{"path", "size", "linkpath"} {
			if _, is := h.PAXRecords[key]; is {
				return false, refuse("has a global header that sets the %s of all entries", key)
			}
		}
		return false, nil
	}
	if rule := checkName(h.Name); rule != "" {
		return false, refuseEntry(h.Name, "%s", rule)
	}
	switch h.Typeflag {
	case tar.TypeDir: // npm makes those that have files
		return false, nil
	case tar.TypeReg, tar.TypeCont:
		if strings.HasSuffix(h.Name, "/") || path.Base(h.Name) == "." {
			return false, refuseEntry(h.Name, "is a file by its kind and a directory by its name")
		}
		return true, nil
	case tar.TypeSymlink, tar.TypeLink:
		return false, nil
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		return false, refuseEntry(h.Name, "is a device or FIFO")
	case tar.TypeGNUSparse:
		return false, refuseEntry(h.Name, "is a sparse file")
	}
	return false, refuseEntry(h.Name, "is of the unknown kind %q", h.Typeflag)
}

// entry takes one file.
func (u *unpacker) entry(h *tar.Header, name string, r io.Reader) error {
	e := image.Entry{Path: name, Mode: 0o644, MTime: snapshot.Epoch}
	if h.Mode&0o111 != 0 {
		e.Mode = 0o755
	}
	dir, file := path.Split(name)
	if dir = strings.TrimSuffix(dir, "/"); file == "package.json" && isPackage(dir) {
		text, err := io.ReadAll(io.LimitReader(r, maxPackageJSON+1))
		if err != nil {
			return err
		}
		if u.manifests += len(text); u.manifests > maxPackageJSON {
			return refuseEntry(h.Name, "is too large: all package.json files together may have %d bytes", maxPackageJSON)
		}
		u.packages[dir] = text
		r = bytes.NewReader(text)
	}
	if err := u.store(&e, r); err != nil {
		return err
	}
	if file == ".gitignore" {
		u.ignores = append(u.ignores, e)
		return nil
	}
	if old, is := u.entries[name]; is && old != e {
		return refuseEntry(h.Name, "occurs twice, and is not the same")
	}
	u.entries[name] = e
	return nil
}

// store puts a file into the pool.
func (u *unpacker) store(e *image.Entry, r io.Reader) (err error) {
	if e.Object, e.Size, err = u.put(r, e.Mode == 0o755); e.Size == 0 {
		e.Object = snapshot.Object{}
	}
	return err
}

// ignore renames each .gitignore where there is no .npmignore. Of several in one place the last
// counts, as with npm.
func (u *unpacker) ignore() {
	renamed := map[string]bool{}
	for _, e := range u.ignores {
		e.Path = strings.TrimSuffix(e.Path, ".gitignore") + ".npmignore"
		if _, is := u.entries[e.Path]; !is || renamed[e.Path] {
			u.entries[e.Path], renamed[e.Path] = e, true
		}
	}
}

// parents checks that no file is another entry's directory, and counts what names imply.
func (u *unpacker) parents() error {
	dirs := map[string]bool{}
	for name := range u.entries {
		for dir := path.Dir(name); dir != "." && !dirs[dir]; dir = path.Dir(dir) {
			if _, is := u.entries[dir]; is {
				return refuseEntry(dir, "is a file and a directory")
			}
			dirs[dir] = true
		}
		if len(u.entries)+len(dirs) > u.most.Files {
			return refuse("has more than %d files and directories", u.most.Files)
		}
	}
	return nil
}

// bounded is what comes out of gzip, as far as limits allow.
type bounded struct {
	r      io.Reader
	packed int64
	most   limits
	ctx    context.Context
	got    int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.ctx.Err() != nil {
		return 0, context.Cause(b.ctx)
	}
	n, err := b.r.Read(p)
	b.got += int64(n)
	switch {
	case b.got > b.most.TotalSize:
		return 0, refuse("unpacks to more than %d bytes", b.most.TotalSize)
	case b.got > b.most.Free && b.got/b.most.Ratio > b.packed:
		return 0, refuse("unpacks to more than %d times its size", b.most.Ratio)
	}
	return n, err
}

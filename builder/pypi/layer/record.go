package layer

import (
	"bytes"
	"encoding/base64"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// record is the RECORD pip writes: the wheel's own rows with the paths changed to
// where the files went, new hashes for scripts that were rewritten, rows for what
// pip made, rows without a hash for what the wheel did not list and for bytecode,
// sorted, in the csv module's form (get_csv_rows_for_installed). As with pip, a file
// that pip replaced (an INSTALLER in the wheel) keeps its old row beside the new.
// encoding/csv would put quotes around a field that begins with a space.
func (b *build) record() []byte {
	to := map[string]string{} // in the wheel -> in the layer; what is left gets a bare row
	for _, p := range b.plan {
		if p.path != "" {
			to[p.file.Name] = b.relative(p.path)
		}
	}
	var rows [][3]string
	for _, r := range b.w.Record() {
		path := r.Path
		if p, ok := to[path]; ok {
			path = p
			delete(to, r.Path)
		}
		if full, ok := b.changed[path]; ok {
			rows = append(rows, b.row(full))
			continue
		}
		rows = append(rows, [3]string{path, r.Hash, r.Size})
	}
	for _, p := range b.generated {
		rows = append(rows, b.row(p))
	}
	for _, p := range to {
		rows = append(rows, [3]string{p})
	}
	for _, f := range b.bytecode {
		rows = append(rows, [3]string{b.relative(f.Path)})
	}
	slices.SortFunc(rows, func(x, y [3]string) int { return slices.Compare(x[:], y[:]) })
	var out bytes.Buffer
	for _, r := range rows {
		for i, field := range r {
			if i > 0 {
				out.WriteByte(',')
			}
			if strings.ContainsAny(field, "\",\r\n") {
				field = `"` + strings.ReplaceAll(field, `"`, `""`) + `"`
			}
			out.WriteString(field)
		}
		out.WriteString("\r\n")
	}
	return out.Bytes()
}

// row is the row of a file as it is in the layer.
func (b *build) row(path string) [3]string {
	f := b.files[path]
	return [3]string{
		b.relative(path),
		"sha256=" + base64.RawURLEncoding.EncodeToString(f.Object.Digest[:]),
		strconv.FormatInt(f.Size, 10),
	}
}

// relative is a path as RECORD has it: from the directory of the modules.
func (b *build) relative(path string) string {
	rel, err := filepath.Rel(b.lib, path)
	if err != nil {
		panic(err) // both are relative to the same prefix and have no ".."
	}
	return rel
}

package help

import (
	"fmt"
	"go/doc/comment"
	"strings"
	"unicode"
)

// roff writes a manual page in the macros of man(7).
type roff struct{ strings.Builder }

// title begins a page. It has no date: the same sources give the same page.
func (r *roff) title(name string, section int, version string) {
	fmt.Fprintf(r, ".TH %s %d \"\" \"larder %s\"\n.nh\n", strings.ToUpper(name), section, escape(version))
}

func (r *roff) heading(text string) { fmt.Fprintf(r, ".SH %s\n", escape(strings.ToUpper(text))) }

func (r *roff) subheading(text string) { fmt.Fprintf(r, ".SS %s\n", escape(text)) }

// row is a name and, below it and indented, what it means.
func (r *roff) row(row Row) {
	fmt.Fprintf(r, ".TP\n.B %s\n%s\n", escape(row.Name), orEmpty(line(row.Text)))
}

// text writes what paragraphs wraps on a page.
func (r *roff) text(text string) {
	for block := range strings.SplitSeq(text, "\n\n") {
		if strings.HasPrefix(block, " ") {
			r.code(block)
		} else {
			fmt.Fprintf(r, ".PP\n%s\n", line(block))
		}
	}
}

// code is text whose lines stay as they are.
func (r *roff) code(text string) {
	r.WriteString(".PP\n.RS 4\n.nf\n")
	for l := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		r.WriteString(orEmpty(guard(escape(l))) + "\n")
	}
	r.WriteString(".fi\n.RE\n")
}

// doc writes a package's comment.
func (r *roff) doc(text string) {
	for _, block := range new(comment.Parser).Parse(text).Content {
		switch b := block.(type) {
		case *comment.Heading:
			r.heading(plain(b.Text))
		case *comment.Paragraph:
			fmt.Fprintf(r, ".PP\n%s\n", line(plain(b.Text)))
		case *comment.Code:
			r.code(strings.ReplaceAll(b.Text, "\t", "    "))
		case *comment.List:
			for _, item := range b.Items {
				for _, inner := range item.Content {
					if p, ok := inner.(*comment.Paragraph); ok {
						fmt.Fprintf(r, ".IP \\(bu 2\n%s\n", line(plain(p.Text)))
					}
				}
			}
		}
	}
}

// plain is the text of a comment without its marks.
func plain(text []comment.Text) string {
	var b strings.Builder
	for _, t := range text {
		switch t := t.(type) {
		case comment.Plain:
			b.WriteString(string(t))
		case comment.Italic:
			b.WriteString(string(t))
		case *comment.Link:
			b.WriteString(plain(t.Text))
		case *comment.DocLink:
			b.WriteString(plain(t.Text))
		}
	}
	return b.String()
}

// line is a paragraph as one line of roff.
func line(text string) string { return guard(escape(strings.Join(strings.Fields(text), " "))) }

// guard keeps a line from being read as a request.
func guard(s string) string {
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		return `\&` + s
	}
	return s
}

func orEmpty(s string) string {
	if s == "" {
		return `\&`
	}
	return s
}

// escape writes what roff would read otherwise: its escape character, hyphens, quotes that
// it curls, and what is not ASCII.
func escape(s string) string {
	var b strings.Builder
	for _, c := range s {
		switch {
		case c == '\\':
			b.WriteString(`\e`)
		case c == '-':
			b.WriteString(`\-`)
		case c == '\'':
			b.WriteString(`\(aq`)
		case c == '"':
			b.WriteString(`\(dq`)
		case c == '`':
			b.WriteString(`\(ga`)
		case c == '^':
			b.WriteString(`\(ha`)
		case c == '~':
			b.WriteString(`\(ti`)
		case c > unicode.MaxASCII:
			fmt.Fprintf(&b, `\[u%04X]`, c)
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}

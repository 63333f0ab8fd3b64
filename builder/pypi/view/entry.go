package view

import (
	"io"
	"path"
	"strconv"
	"strings"

	"github.com/tinylib/msgp/msgp"

	"larder/snapshot/pypi"
)

const (
	// magic opens every entry: CacheControl's serialisation format 4.
	magic = "cc=4,"

	// date is the Date header of every entry. It is in the past of any clock that
	// is right, and fixed so that entries are reproducible.
	date = "Wed, 01 Jan 2020 00:00:00 GMT"

	// maxAge is how long, in seconds from date, pip takes an entry as fresh: 100
	// years. The index itself sends 365,000,000 (11.6 years).
	maxAge = 100 * 365 * 24 * 3600

	// maxOldBody is the largest body an old-format entry can hold: msgpack's bin32.
	maxOldBody = 1<<32 - 1
)

// Path returns where in the cache directory pip >= 23.3 looks for the response to
// a request of rawURL; the body is at Path + ".body".
func Path(rawURL string) string { return cachePath("http-v2", rawURL) }

// OldPath is Path for pip < 23.3, whose entries hold their body.
func OldPath(rawURL string) string { return cachePath("http", rawURL) }

func cachePath(root, rawURL string) string {
	h := pypi.CacheName(rawURL)
	return path.Join(root, h[0:1], h[1:2], h[2:3], h[3:4], h[4:5], h)
}

// Entry returns the headers file of a response of size bytes with the given
// content type. etag, if not empty, is sent as ETag; the file's SHA-256 does.
func Entry(contentType string, size int64, etag string) []byte {
	return appendHead([]byte(magic), contentType, size, etag, func(b []byte) []byte {
		return msgp.AppendBytes(b, nil)
	})
}

// OldEntry returns a reader of the single file in which pip < 23.3 keeps a
// response: the head and then body, which must give exactly size bytes. It returns
// false when the body is larger than the format can say (4 GiB).
func OldEntry(contentType string, size int64, etag string, body io.Reader) (io.Reader, bool) {
	if size > maxOldBody {
		return nil, false
	}
	head := appendHead([]byte(magic), contentType, size, etag, func(b []byte) []byte {
		return appendBin32Header(b, uint32(size))
	})
	return io.MultiReader(strings.NewReader(string(head)), body), true
}

// appendHead appends the msgpack map of an entry. The body is written last, so
// that a large one can be streamed behind the head: order means nothing in a map.
func appendHead(b []byte, contentType string, size int64, etag string, body func([]byte) []byte) []byte {
	headers := [][2]string{
		{"Cache-Control", "max-age=" + strconv.Itoa(maxAge) + ", immutable, public"},
		{"Content-Length", strconv.FormatInt(size, 10)},
		{"Content-Type", contentType},
		{"Date", date},
	}
	if etag != "" {
		headers = append(headers, [2]string{"ETag", `"` + etag + `"`})
	}
	b = msgp.AppendMapHeader(b, 2)
	b = msgp.AppendString(b, "vary")
	b = msgp.AppendMapHeader(b, 0)
	b = msgp.AppendString(b, "response")
	b = msgp.AppendMapHeader(b, 7)
	b = msgp.AppendString(b, "headers")
	b = msgp.AppendMapHeader(b, uint32(len(headers)))
	for _, h := range headers {
		b = msgp.AppendString(b, h[0])
		b = msgp.AppendString(b, h[1])
	}
	b = msgp.AppendString(b, "status")
	b = msgp.AppendInt(b, 200)
	b = msgp.AppendString(b, "version")
	b = msgp.AppendInt(b, 11)
	b = msgp.AppendString(b, "reason")
	b = msgp.AppendString(b, "OK")
	b = msgp.AppendString(b, "strict") // asked for by pip < 23.3, ignored since
	b = msgp.AppendInt(b, 0)
	b = msgp.AppendString(b, "decode_content")
	b = msgp.AppendBool(b, false)
	b = msgp.AppendString(b, "body")
	return body(b)
}

// appendBin32Header opens a msgpack "bin 32" of n bytes that follow.
func appendBin32Header(b []byte, n uint32) []byte {
	return append(b, 0xc6, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}

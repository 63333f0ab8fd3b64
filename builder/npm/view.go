package npm

import (
	"bytes"
	"crypto/sha1"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"larder/builder"
	"larder/snapshot"
	"larder/snapshot/npm"
)

// views are what clients' caches are made of.
var views = []builder.View{{Name: npm.ViewNPM, Entries: entries}, {Name: npm.ViewPackuments, Entries: packumentEntries}}

// cacheControl keeps npm from asking whether a tarball has changed: what is published under a version
// and an integrity never does. date is when it is said to have come, always the same.
const cacheControl = "public, immutable, max-age=3155760000"

var date = time.Unix(snapshot.Epoch, 0).UTC()

// entries are a tarball in npm's cache: the bytes by their integrity, which is where npm looks when a
// lock or the registry says it, and an entry of the index by the address, for locks without, and
// without which `npm cache verify` would remove the bytes.
func entries(it *builder.Item) []builder.ViewEntry {
	sum := it.Digest
	s, err := npm.SumOf(sum)
	if err != nil {
		return nil
	}
	all := []builder.ViewEntry{{Path: contentPath(s), Object: it.Object, Size: it.Size}}
	address, _, _ := strings.Cut(it.URL, "?")
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		says := headers{"cache-control": cacheControl, "content-type": "application/octet-stream", "date": date.Format(http.TimeFormat)}
		path, line := indexEntry(u.String(), s, it.Size, accepts, says)
		all = append(all, builder.ViewEntry{Path: path, Bytes: line})
	}
	return all
}

// contentPath is where npm has the bytes of a digest.
func contentPath(s npm.Sum) string {
	sum := s.Hex()
	return fmt.Sprintf("_cacache/content-v2/%s/%s/%s/%s", s.Algorithm(), sum[:2], sum[2:4], sum[4:])
}

// accepts are what npm asks for tarballs with: an entry of the index answers only what is asked in the same
// way. `npm cache verify` keeps the last alone, which is the common one.
var accepts = []headers{{"accept": "application/json"}, {}}

type headers map[string]string // written sorted

// indexEntry are lines of npm's index (cacache, index-v5), as make-fetch-happen writes them, one for each of what
// npm may ask with, and the file that they are in.
func indexEntry(address string, sum npm.Sum, size int64, asked []headers, says headers) (path string, lines []byte) {
	type options struct {
		Compress bool `json:"compress"`
	}
	type metadata struct {
		Time       int64   `json:"time"`
		URL        string  `json:"url"`
		ReqHeaders headers `json:"reqHeaders"`
		ResHeaders headers `json:"resHeaders"`
		Options    options `json:"options"`
	}
	key := "make-fetch-happen:request-cache:" + address
	for _, accept := range asked {
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(struct {
			Key       string   `json:"key"`
			Integrity string   `json:"integrity"`
			Time      int64    `json:"time"`
			Size      int64    `json:"size"`
			Metadata  metadata `json:"metadata"`
		}{
			key, sum.String(), date.UnixMilli(), size,
			metadata{date.UnixMilli(), address, accept, says, options{true}},
		}); err != nil {
			panic(err) // strings and numbers: none can fail
		}
		text := bytes.TrimSpace(b.Bytes())
		lines = fmt.Appendf(lines, "\n%x\t%s", sha1.Sum(text), text)
	}
	bucket := snapshot.Sum([]byte(key)).String()
	return fmt.Sprintf("_cacache/index-v5/%s/%s/%s", bucket[:2], bucket[2:4], bucket[4:]), lines
}

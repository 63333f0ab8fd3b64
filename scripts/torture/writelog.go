//go:build linux && amd64

package main

import (
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
)

// A log has what was written to a disk, in order, with its flushes. Of it are made the disks that
// a power cut may leave.
//
// A disk may keep what it likes of the writes since its last flush, in any order, and of a write
// any of its blocks. All before a flush that ended is there.

// event is what a record is of.
type event byte

const (
	written event = 'W'
	flushed event = 'F'
	marked  event = 'M' // somebody's note that something has been acknowledged
)

// record is one event. Only a write has an offset, and data.
type record struct {
	Event  event
	Offset int64
	Data   []byte
}

// readLog reads a whole log, which is of encoding/gob.
func readLog(r io.Reader) (log []record, err error) {
	for dec := gob.NewDecoder(r); ; {
		var rec record
		if err := dec.Decode(&rec); errors.Is(err, io.EOF) {
			return log, nil
		} else if err != nil {
			return nil, fmt.Errorf("read log: %w", err)
		}
		log = append(log, rec)
	}
}

// lossModes are the ways to lose what was not flushed.
var lossModes = []string{"all-lost", "some-lost", "torn", "none-lost"}

// block is what a disk writes whole.
const block = 4096

// crash returns the writes that are on a disk whose power goes after the first n records.
func crash(log []record, n int, mode string, r *rand.Rand) (kept []record) {
	last := 0 // flush
	for i, rec := range log[:n] {
		if rec.Event == flushed {
			last = i
		}
	}
	for i, rec := range log[:n] {
		switch {
		case rec.Event != written:
		case i < last || mode == "none-lost":
			kept = append(kept, rec)
		case mode == "all-lost" || r.IntN(2) == 0:
		case mode == "torn":
			kept = append(kept, tear(rec, r)...)
		default:
			kept = append(kept, rec)
		}
	}
	return kept
}

// tear keeps some blocks of a write.
func tear(rec record, r *rand.Rand) (kept []record) {
	for at := 0; at < len(rec.Data); at += block {
		if r.IntN(4) > 0 {
			kept = append(kept, record{written, rec.Offset + int64(at), rec.Data[at:min(at+block, len(rec.Data))]})
		}
	}
	return kept
}

// replay makes the writes.
func replay(disk io.WriterAt, writes []record) error {
	for _, rec := range writes {
		if _, err := disk.WriteAt(rec.Data, rec.Offset); err != nil {
			return fmt.Errorf("replay: %w", err)
		}
	}
	return nil
}

// Package writelog keeps what was written to a disk, in order, with its flushes, and makes of it
// the disks that a power cut may leave.
//
// A disk may keep what it likes of the writes since its last flush, in any order, and of a write
// any of its blocks. All before a flush that ended is there.
package writelog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
)

// Kind is what a record is.
type Kind byte

const (
	Write Kind = 'W'
	Flush Kind = 'F'
	Mark  Kind = 'M' // somebody's note that something has been acknowledged
)

// Record is one event. Only a write has an offset, and data; a mark has its text as data.
type Record struct {
	Kind   Kind
	Offset int64
	Data   []byte
}

const headerSize = 1 + 8 + 4

// Append writes a record to a log.
func Append(w io.Writer, r Record) error {
	header := make([]byte, headerSize)
	header[0] = byte(r.Kind)
	binary.LittleEndian.PutUint64(header[1:], uint64(r.Offset))
	binary.LittleEndian.PutUint32(header[9:], uint32(len(r.Data)))
	if _, err := w.Write(header); err != nil {
		return err
	}
	_, err := w.Write(r.Data)
	return err
}

// Read reads a whole log.
func Read(r io.Reader) (log []Record, err error) {
	header := make([]byte, headerSize)
	for {
		if _, err := io.ReadFull(r, header); errors.Is(err, io.EOF) {
			return log, nil
		} else if err != nil {
			return nil, fmt.Errorf("read log: %w", err)
		}
		rec := Record{Kind: Kind(header[0]), Offset: int64(binary.LittleEndian.Uint64(header[1:])), Data: make([]byte, binary.LittleEndian.Uint32(header[9:]))}
		if _, err := io.ReadFull(r, rec.Data); err != nil {
			return nil, fmt.Errorf("read log: %w", err)
		}
		log = append(log, rec)
	}
}

// Modes are the ways to lose what was not flushed.
var Modes = []string{"all-lost", "some-lost", "torn", "none-lost"}

// block is what a disk writes whole.
const block = 4096

// Crash returns the writes that are on a disk whose power goes after the first n records.
func Crash(log []Record, n int, mode string, r *rand.Rand) (kept []Record) {
	flushed := 0
	for i, rec := range log[:n] {
		if rec.Kind == Flush {
			flushed = i
		}
	}
	for i, rec := range log[:n] {
		switch {
		case rec.Kind != Write:
		case i < flushed || mode == "none-lost":
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
func tear(rec Record, r *rand.Rand) (kept []Record) {
	for at := 0; at < len(rec.Data); at += block {
		if r.IntN(4) > 0 {
			kept = append(kept, Record{Write, rec.Offset + int64(at), rec.Data[at:min(at+block, len(rec.Data))]})
		}
	}
	return kept
}

// Replay makes the writes.
func Replay(disk io.WriterAt, writes []Record) error {
	for _, rec := range writes {
		if _, err := disk.WriteAt(rec.Data, rec.Offset); err != nil {
			return fmt.Errorf("replay: %w", err)
		}
	}
	return nil
}

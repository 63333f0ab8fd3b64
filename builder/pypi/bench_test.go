package pypi_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"larder/builder"
	"larder/builder/fetch"
	"larder/builder/pypi"
	"larder/builder/pypi/index"
	"larder/snapshot"
)

// servePages makes the test binary a package index: the parent measures its own
// memory and the pages shall not be in it.
const servePages = "LARDER_BENCH_SERVE_PAGES"

func TestMain(m *testing.M) {
	if os.Getenv(servePages) != "" {
		if err := serve(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// serve answers for any project with a page of 60 files: 20 releases of an sdist
// and two wheels, which is what a ranked project has about. It prints its address,
// and ends with its standard input. The page is made once and its name replaced:
// serving shall cost little beside planning.
func serve() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	const name, number = "@", "#####" // the number makes digests of its own for each project
	var files []string
	for n := range 20 {
		stem := fmt.Sprintf("%s-%d.%d.0", name, 1+n/10, n%10)
		for _, file := range []string{stem + ".tar.gz", stem + "-py3-none-any.whl", stem + "-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"} {
			files = append(files, fmt.Sprintf(`{"filename":%[1]q,"url":"/files/%[1]s","hashes":{"sha256":%[2]q},"requires-python":">=3.8","size":123456,"upload-time":"2026-01-02T03:04:05.678901Z","yanked":false}`,
				file, number+digestOf([]byte(file))[len(number):]))
		}
	}
	page := []byte(`{"meta":{"api-version":"1.1"},"name":"@","files":[` + strings.Join(files, ",") + `]}`)
	go func() {
		_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			project := strings.Trim(strings.TrimPrefix(r.URL.Path, "/simple"), "/")
			w.Header().Set("Content-Type", "application/vnd.pypi.simple.v1+json")
			w.Header().Set("ETag", `"`+project+`"`)
			out := bytes.ReplaceAll(page, []byte(name), []byte(strings.ReplaceAll(project, "-", "_")))
			_, _ = w.Write(bytes.ReplaceAll(out, []byte(number), []byte(project[max(0, len(project)-len(number)):])))
		}))
	}()
	_, _ = io.Copy(io.Discard, os.Stdin) // until the parent is done, or gone
	return nil
}

// BenchmarkPlan plans for so many ranked projects from an index in another
// process, and reports the peak of this one's memory.
//
//	go test ./builder/pypi -run '^$' -bench Plan -benchtime 1x
func BenchmarkPlan(b *testing.B) {
	server := exec.Command(os.Args[0])
	server.Env = append(os.Environ(), servePages+"=1")
	server.Stderr = os.Stderr
	in, err := server.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := server.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := server.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() { in.Close(); _ = server.Wait() }()
	host, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	host = strings.TrimSpace(host)
	targets, err := pypi.Ecosystem().Targets(b.Context(), []string{"cp311-manylinux_2_36_x86_64"}, nil)
	if err != nil {
		b.Fatal(err)
	}
	for _, n := range []int{1000, 15000} {
		projects := make([]string, n)
		for i := range projects {
			projects[i] = fmt.Sprintf("project-%05d", i)
		}
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			store, err := snapshot.Create(filepath.Join(b.TempDir(), "store"))
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				resetPeak(b)
				client, err := index.New(index.Config{Indexes: []string{"http://" + host + "/simple/"}, Access: fetch.Access{TrustedHosts: []string{host}}}, index.Options{})
				if err != nil {
					b.Fatal(err)
				}
				r, err := builder.Build(b.Context(), builder.Config{Store: store, Ecosystems: []builder.Ecosystem{pypi.EcosystemOf(client)}, Targets: targets, Ranked: map[string]builder.Ranked{"pypi": {Projects: projects}}, Views: []string{"pip"}, DryRun: true})
				client.Close()
				if err != nil || r.Wheels != n || len(r.Plan) != n {
					b.Fatalf("planned %d of %d projects: %v", len(r.Plan), n, err)
				}
				b.ReportMetric(r.Seconds["plan"], "s/plan")
			}
			b.ReportMetric(float64(peak(b))/1e6, "peak-MB")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// resetPeak makes the kernel forget the largest size so far of this process.
func resetPeak(b *testing.B) {
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		b.Fatal(err)
	}
}

// peak is the most memory that was resident, in bytes.
func peak(b *testing.B) int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	kb, err := strconv.ParseInt(strings.Fields(after)[0], 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return kb << 10
}

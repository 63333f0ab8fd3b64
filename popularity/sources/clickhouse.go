package sources

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"larder/popularity"
)

// ClickHouse asks a ClickHouse server that holds the public download counts
// (database "pypi", the tables of its public data set) for counts by project,
// version and Python minor. The endpoint is the operator's to configure; its
// query may name a user.
type ClickHouse struct {
	Endpoint   string   // https://host:port/?user=name
	Projects   int      // how many projects: 0 is 5,000
	Days       int      // how far back: 0 is 30
	Versions   int      // rows of a project, one a version and Python: 0 is 20
	Installers []string // whose downloads rank projects: empty is pip, uv, poetry and pdm
}

var installerName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$`)

// SQL is the query that is sent, fit to be run by hand.
//
// Projects are ranked by what people's installers fetched, not mirrors; that
// table knows no Python, so versions come from the one that does. The dates are
// the server's: the text does not change from day to day, and neither does the
// name its answer is kept under.
func (c ClickHouse) SQL() (string, error) {
	projects, days, versions := c.Projects, c.Days, c.Versions
	for _, f := range []struct {
		name        string
		value       *int
		usual, most int
	}{{"projects", &projects, 5000, 20_000}, {"days", &days, 30, 180}, {"versions", &versions, 20, 50}} {
		if *f.value == 0 {
			*f.value = f.usual
		}
		if *f.value < 1 || *f.value > f.most {
			return "", fmt.Errorf("%w: clickhouse: %s %d is not between 1 and %d", popularity.ErrConfig, f.name, *f.value, f.most)
		}
	}
	installers := c.Installers
	if len(installers) == 0 {
		installers = []string{"pip", "uv", "poetry", "pdm"}
	}
	for _, name := range installers {
		if !installerName.MatchString(name) {
			return "", fmt.Errorf("%w: clickhouse: %q is not the name of an installer", popularity.ErrConfig, name)
		}
	}
	return fmt.Sprintf(`SELECT project, version, python_minor AS python, sum(count) AS count
FROM pypi.pypi_downloads_per_day_by_version_by_python
WHERE date >= today() - %d AND project IN (
  SELECT project FROM pypi.pypi_downloads_per_day_by_version_by_installer_by_type
  WHERE date >= today() - %d AND installer IN ('%s')
  GROUP BY project ORDER BY sum(count) DESC, project LIMIT %d)
GROUP BY project, version, python
ORDER BY project, count DESC, version, python
LIMIT %d BY project
FORMAT JSONEachRow
`, days, days, strings.Join(installers, "', '"), projects, versions), nil
}

func (c ClickHouse) load(ctx context.Context, opts Options) (popularity.Ranking, []popularity.Warning, error) {
	sql, err := c.SQL()
	if err != nil {
		return popularity.Ranking{}, nil, err
	}
	u, err := url.Parse(c.Endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return popularity.Ranking{}, nil, popularity.Refuse(credentialFree(c.Endpoint), "not the http(s) address of a ClickHouse server", "set the endpoint in the configuration")
	}
	query := u.Query()
	// Held back until it is whole: else a query that fails half-way has long
	// answered 200.
	query.Set("wait_end_of_query", "1")
	u.RawQuery = query.Encode()
	return ask(ctx, u.String(), sql, opts)
}

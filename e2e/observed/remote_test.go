package observed_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestRemoteWrite: a site that cannot be reached sends by itself, as the shipped
// unit has it. While the centre is away vmagent keeps what it scrapes on its disk,
// and the gap is filled when the centre is back.
func TestRemoteWrite(t *testing.T) {
	t.Parallel()
	g := open(t)
	address, data := free(t), t.TempDir()
	centre := openStore(t, address, data, "")
	agent := g.agent(address)
	mine := `edgegw_rooms{job="edgegw", instance="plant-7"}`
	centre.one(mine, 0, 0)

	centre.stop()
	away := time.Now()
	// Longer than the 5 s that vmagent keeps in memory before it writes.
	const outage = 12 * time.Second
	time.Sleep(outage)
	waiting := pending(t, agent)
	if waiting == 0 {
		t.Error("nothing waits at the site while the centre is away")
	}
	centre = openStore(t, address, data, "")
	back := time.Now()

	// All of the outage, less a second at each end.
	seconds := int(back.Sub(away).Seconds()) - 2
	window := fmt.Sprintf("count_over_time(%s[%ds] offset %%ds)", mine, seconds)
	await(t, "the gap to be filled", func() (bool, string) {
		got, err := centre.query(fmt.Sprintf(window, int(time.Since(back).Seconds())+1))
		return err == nil && len(got) == 1 && got[0].value >= float64(seconds-1), fmt.Sprint(got, err)
	})
	t.Logf("%d s without the centre: %.0f bytes waited at the site, and all samples were there %v after its return",
		int(back.Sub(away).Seconds()), waiting, time.Since(back).Round(time.Second))
}

// agent starts vmagent with the command line of the shipped unit.
func (s *site) agent(centre string) *tool {
	s.t.Helper()
	unit := strings.ReplaceAll(read(s.t, deployed("victoriametrics", "remote-write", "edgegw-vmagent.service")), "\\\n", " ")
	command := regexp.MustCompile(`(?m)^ExecStart=(.+)$`).FindStringSubmatch(unit)
	if command == nil || !strings.Contains(command[1], "-remoteWrite.maxDiskUsagePerURL=500MB") {
		s.t.Fatal("the unit has no bounded buffer")
	}
	secrets := filepath.Dir(s.token)
	if err := os.WriteFile(filepath.Join(secrets, "remote-write-token"), []byte("canary-token-of-the-centre\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
	address := free(s.t)
	args := strings.Fields(strings.NewReplacer(
		"/etc/edgegw/vmagent-scrape.yml", s.scrapeConfig(map[string]string{"127.0.0.1:8080": s.Addr}, "victoriametrics", "remote-write", "scrape.yml"),
		"https://metrics.example.com", "http://"+centre, "%d", secrets, "/var/lib/edgegw-vmagent", s.t.TempDir(), "127.0.0.1:8429", address,
	).Replace(command[1]))
	return start(s.t, address, []string{"CREDENTIALS_DIRECTORY=" + secrets}, filepath.Base(args[0]), args[1:]...)
}

// pending is how many bytes wait to be sent, by vmagent's own word.
func pending(t *testing.T, agent *tool) (sum float64) {
	t.Helper()
	text, err := get(agent.url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "vmagent_remotewrite_pending_data_bytes{") {
			// Its labels hold spaces; the value is behind the last one.
			n, err := strconv.ParseFloat(strings.TrimSpace(line[strings.LastIndex(line, "} ")+2:]), 64)
			if err != nil {
				t.Fatal(err)
			}
			sum += n
		}
	}
	return sum
}

// TestRemoteWriteConfig: the site's configuration loads as it is shipped.
func TestRemoteWriteConfig(t *testing.T) {
	t.Setenv("CREDENTIALS_DIRECTORY", t.TempDir())
	run(t, "", "vmagent", "-dryRun", "-promscrape.config="+deployed("victoriametrics", "remote-write", "scrape.yml"))
}

package app_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"edgegw/internal/gatewaytest"
)

// TestConversations plays the scripts of testdata/protocol: those that want no
// options on one gateway, all at once, and each of the others on its own.
func TestConversations(t *testing.T) {
	t.Parallel()
	playConversations(t)
}

// TestConversationsOverTLS plays the same scripts on a gateway that speaks TLS alone.
func TestConversationsOverTLS(t *testing.T) {
	t.Parallel()
	playConversations(t, "listen=", "tls_listen=127.0.0.1:0")
}

func playConversations(t *testing.T, more ...string) {
	t.Helper()
	files, err := filepath.Glob("../../testdata/protocol/conversation-*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no conversations: %v", err)
	}
	// What a gateway has by default, not what other tests want.
	common := gatewaytest.Start(t, append(more, "-message_rate", "-commit_window")...).Stage()
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		for _, c := range gatewaytest.Conversations(t, file) {
			t.Run(name+"/"+c.Name, func(t *testing.T) {
				t.Parallel()
				stage := common
				if len(c.Options) > 0 {
					options := append(slices.Clone(more), "-message_rate", "-commit_window")
					for option, value := range c.Options {
						options = append(options, option+"="+value)
					}
					stage = gatewaytest.Start(t, options...).Stage()
				}
				if err := stage.Play(&c); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// The app on net/http.
//
// Settings: the defaults. net/http runs every request in a goroutine of its own
// (https://pkg.go.dev/net/http#Server.Serve), and GOMAXPROCS is the number of cores (https://pkg.go.dev/runtime).
// The scheduler preempts a goroutine that computes for long, so handlers compute where they are. SIGTERM ends the
// server gracefully, as in https://pkg.go.dev/net/http#Server.Shutdown.
package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"golang.org/x/crypto/argon2"
)

const bodyLimit = 16 << 20

func hello(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/" {
		http.NotFound(w, r)
		return
	}
	io.WriteString(w, "hello")
}

func hash(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Password *string `json:"password"`
	}
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodyLimit)).Decode(&asked)
	if err != nil || asked.Password == nil {
		http.Error(w, "no password", http.StatusBadRequest)
		return
	}
	salt := make([]byte, 16)
	if _, err := rand.Read(salt); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	key := argon2.IDKey([]byte(*asked.Password), salt, 2, 19456, 1, 32)
	phc := fmt.Sprintf("$argon2id$v=%d$m=19456,t=2,p=1$%s$%s", argon2.Version,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key))
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]string{"phc": phc})
}

func roundTrip(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyLimit))
	var value any
	if err == nil {
		err = json.Unmarshal(body, &value)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer, err := json.Marshal(value)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	// Otherwise an answer of this size would be chunked, which no other peer's is.
	w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
	w.Write(answer)
}

func main() {
	// So that this process never outlives the harness.
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	calibrate()
	http.HandleFunc("/", hello)
	http.HandleFunc("/burn", burn)
	http.HandleFunc("/hash", hash)
	http.HandleFunc("/json", roundTrip)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{}
	drained := make(chan struct{})
	go func() {
		asked, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		<-asked.Done()
		server.Shutdown(context.Background())
		close(drained)
	}()
	fmt.Println(listener.Addr())
	if err := server.Serve(listener); err != http.ErrServerClosed {
		log.Fatal(err)
	}
	<-drained
}

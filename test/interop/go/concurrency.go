package main

import (
	"context"
	"fmt"
	"strconv"
	"sync"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
)

func session(s *stage, client *clientv3.Client) *concurrency.Session {
	return ok(concurrency.NewSession(client, concurrency.WithTTL(20), concurrency.WithContext(s)))
}

var concurrencyChecks = []check{
	{name: "a session ends with its lease, and revokes it when it is closed", run: func(s *stage) {
		lost := session(s, s.Client)
		ok(s.Revoke(s, lost.Lease()))
		ended(s, lost.Done())
		closed := session(s, s.Client)
		must(closed.Close())
		equal(ok(s.TimeToLive(s, closed.Lease())).TTL, int64(-1))
	}},
	{name: "elections: campaign, proclaim, leader, observe, resign", run: func(s *stage) {
		one, two := session(s, s.Client), session(s, s.Client)
		first, second := concurrency.NewElection(one, "gc/election"), concurrency.NewElection(two, "gc/election")
		_, err := first.Leader(s)
		fails(err, concurrency.ErrElectionNoLeader)
		must(first.Campaign(s, "one"))
		observed := second.Observe(s)
		equal(string(next(s, observed).Kvs[0].Value), "one")
		must(first.Proclaim(s, "one again"))
		equal(string(next(s, observed).Kvs[0].Value), "one again")
		leads := make(chan error, 1)
		go func() { leads <- second.Campaign(s, "two") }()
		eventually(s, func() bool { return ok(s.Get(s, "gc/election/", clientv3.WithPrefix())).Count == 2 })
		equal(string(ok(second.Leader(s)).Kvs[0].Value), "one again")
		must(first.Resign(s))
		must(next(s, leads))
		equal(string(next(s, observed).Kvs[0].Value), "two")
		equal(ok(second.Leader(s)).Kvs[0].CreateRevision, second.Rev())
		fails(first.Proclaim(s, "late"), concurrency.ErrElectionNotLeader)
		resumed := concurrency.ResumeElection(two, "gc/election", second.Key(), second.Rev())
		must(resumed.Proclaim(s, "resumed"))
		equal(string(next(s, observed).Kvs[0].Value), "resumed")
		must(one.Close())
		must(two.Close())
	}},
	{name: "an election goes to the next when its leader's lease ends, and past one who gave up", run: func(s *stage) {
		one, two, three := session(s, s.Client), session(s, s.Client), session(s, s.Client)
		must(concurrency.NewElection(one, "gc/passed").Campaign(s, "one"))
		impatient, giveUp := context.WithCancel(s)
		gaveUp, leads := make(chan error, 1), make(chan error, 1)
		go func() { gaveUp <- concurrency.NewElection(two, "gc/passed").Campaign(impatient, "two") }()
		eventually(s, func() bool { return ok(s.Get(s, "gc/passed/", clientv3.WithPrefix())).Count == 2 })
		third := concurrency.NewElection(three, "gc/passed")
		go func() { leads <- third.Campaign(s, "three") }()
		eventually(s, func() bool { return ok(s.Get(s, "gc/passed/", clientv3.WithPrefix())).Count == 3 })
		giveUp()
		fails(next(s, gaveUp), context.Canceled)
		ok(s.Revoke(s, one.Lease()))
		must(next(s, leads))
		equal(string(ok(third.Leader(s)).Kvs[0].Value), "three")
		must(two.Close())
		must(three.Close())
	}},
	{name: "mutexes: lock, try, wait, unlock", run: func(s *stage) {
		one, two := session(s, s.Client), session(s, s.Client)
		first, second := concurrency.NewMutex(one, "gc/mutex"), concurrency.NewMutex(two, "gc/mutex")
		must(first.Lock(s))
		fails(second.TryLock(s), concurrency.ErrLocked)
		equal(ok(s.Txn(s).If(first.IsOwner()).Commit()).Succeeded, true)
		locked := make(chan error, 1)
		go func() { locked <- second.Lock(s) }()
		eventually(s, func() bool { return ok(s.Get(s, "gc/mutex/", clientv3.WithPrefix())).Count == 2 })
		must(first.Unlock(s))
		must(next(s, locked))
		equal(ok(s.Txn(s).If(second.IsOwner()).Commit()).Succeeded, true)
		must(second.Unlock(s))
		equal(ok(s.Get(s, "gc/mutex/", clientv3.WithPrefix())).Count, int64(0))
		must(one.Close())
		must(two.Close())
	}},
	{name: "a mutex lets one in at a time", run: func(s *stage) {
		inside, most, runs := 0, 0, 0
		var guard, all = sync.Mutex{}, sync.WaitGroup{}
		count := func(change int) {
			guard.Lock()
			defer guard.Unlock()
			inside += change
			most = max(most, inside)
			runs += max(change, 0)
		}
		failures := make(chan any, 8)
		for range 8 {
			all.Add(1)
			go func() {
				defer all.Done()
				defer func() { failures <- recover() }()
				own := session(s, s.Client)
				defer own.Close()
				mutex := concurrency.NewMutex(own, "gc/crowd")
				for range 5 {
					must(mutex.Lock(s))
					count(1)
					ok(s.Get(s, "gc/crowd"))
					count(-1)
					must(mutex.Unlock(s))
				}
			}()
		}
		all.Wait()
		for range 8 {
			equal(<-failures, nil)
		}
		equal(most, 1)
		equal(runs, 40)
	}},
	{name: "software transactional memory keeps the sum at every level of isolation", run: transfers},
}

// One member serves them all: its reads are serializable, at a revision that another member may not have yet.
func transfers(s *stage) {
	client := connectToOne(s)
	defer client.Close()
	levels := []concurrency.Isolation{
		concurrency.SerializableSnapshot, concurrency.Serializable, concurrency.RepeatableReads,
	}
	account := func(number int) string { return fmt.Sprint("gc/account/", number%4) }
	for number := range 4 {
		ok(s.Put(s, account(number), "100"))
	}
	failures := make(chan any, 12)
	for worker := range 12 {
		go func() {
			defer func() { failures <- recover() }()
			for round := range 5 {
				ok(concurrency.NewSTM(client, func(stm concurrency.STM) error {
					from, to := account(worker+round), account(worker+round+1+worker%3)
					// What a follower that is behind has not heard of makes a transaction that is done again.
					a, _ := strconv.Atoi(stm.Get(from))
					b, _ := strconv.Atoi(stm.Get(to))
					stm.Put(from, strconv.Itoa(a-1))
					stm.Put(to, strconv.Itoa(b+1))
					return nil
				}, concurrency.WithIsolation(levels[worker%3]), concurrency.WithAbortContext(s)))
			}
		}()
	}
	for range 12 {
		equal(<-failures, nil)
	}
	sum := 0
	for _, kv := range ok(s.Get(s, "gc/account/", clientv3.WithPrefix())).Kvs {
		sum += ok(strconv.Atoi(string(kv.Value)))
	}
	equal(sum, 400)
}

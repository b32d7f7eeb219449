import io.etcd.jetcd.ByteSequence;
import io.etcd.jetcd.Client;
import io.etcd.jetcd.KV;
import io.etcd.jetcd.Watch;
import io.etcd.jetcd.options.WatchOption;
import io.etcd.jetcd.watch.WatchResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;

final class WatchChecks {
  static void add() {
    Checks.check("watches: from a revision, of a prefix, with previous values, filtered", client -> {
      KV kv = client.getKVClient();
      long start = Checks.ok(kv.put(Checks.bytes("jw/a"), Checks.bytes("1"))).getHeader().getRevision();
      Checks.ok(kv.put(Checks.bytes("jw/a"), Checks.bytes("2")));
      Checks.ok(kv.put(Checks.bytes("jw/b"), Checks.bytes("3")));
      Checks.ok(kv.delete(Checks.bytes("jw/a")));
      try (Seen seen = new Seen(client, "jw/a", WatchOption.builder().withRevision(start))) {
        Checks.equal(seen.events(3), List.of("PUT jw/a=1", "PUT jw/a=2", "DELETE jw/a="));
      }
      try (Seen seen = new Seen(client, "jw/", WatchOption.builder().withRevision(start).isPrefix(true).withPrevKV(true))) {
        Checks.equal(seen.events(4), List.of("PUT jw/a=1", "PUT jw/a=2 was 1", "PUT jw/b=3", "DELETE jw/a= was 2"));
        Checks.ok(kv.put(Checks.bytes("jw/c"), Checks.bytes("4")));
        Checks.equal(seen.events(1), List.of("PUT jw/c=4"));
      }
      try (Seen seen = new Seen(client, "jw/", WatchOption.builder().withRevision(start).isPrefix(true).withNoPut(true))) {
        Checks.equal(seen.events(1), List.of("DELETE jw/a="));
      }
    });
    Checks.check("created, and progress on request", client -> {
      WatchOption.Builder option = WatchOption.builder().withCreateNotify(true).withProgressNotify(true);
      try (Seen seen = new Seen(client, "jw/progress", option)) {
        Checks.equal(Checks.next(seen.answers).isCreatedNotify(), true);
        seen.watcher.requestProgress();
        Checks.equal(Checks.next(seen.answers).isProgressNotify(), true);
      }
    });
    Checks.check("a watch from a compacted revision ends with the first that there is", client -> {
      try (Client one = Checks.connectToOne()) {
        KV kv = one.getKVClient();
        long old = Checks.ok(kv.put(Checks.bytes("jw/compacted"), Checks.bytes("1"))).getHeader().getRevision();
        long now = Checks.ok(kv.put(Checks.bytes("jw/compacted"), Checks.bytes("2"))).getHeader().getRevision();
        Checks.ok(kv.compact(now));
        try (Seen seen = new Seen(one, "jw/compacted", WatchOption.builder().withRevision(old))) {
          Checks.says(Checks.next(seen.failures), "required revision has been compacted");
        }
      }
    });
    Checks.check("a namespace: keys and watches under a prefix", client -> {
      ByteSequence space = Checks.bytes("jw/space/");
      try (Client inside = Client.builder().endpoints(Checks.endpoints.toArray(String[]::new)).namespace(space).build();
          Seen seen = new Seen(inside, "a", WatchOption.builder().withCreateNotify(true))) {
        Checks.next(seen.answers);
        Checks.ok(inside.getKVClient().put(Checks.bytes("a"), Checks.bytes("1")));
        Checks.equal(seen.events(1), List.of("PUT a=1"));
        Checks.equal(Checks.ok(client.getKVClient().get(Checks.bytes("jw/space/a"))).getCount(), 1L);
      }
    });
  }

  /** What a watch brought. */
  static final class Seen implements AutoCloseable {
    final BlockingQueue<WatchResponse> answers = new LinkedBlockingQueue<>();
    final BlockingQueue<Throwable> failures = new LinkedBlockingQueue<>();
    final Watch.Watcher watcher;

    Seen(Client client, String key, WatchOption.Builder option) {
      watcher = client.getWatchClient().watch(Checks.bytes(key), option.build(), Watch.listener(answers::add, failures::add));
    }

    /** The next so many. */
    List<String> events(int count) throws Exception {
      List<String> events = new ArrayList<>();
      while (events.size() < count) {
        for (var event : Checks.next(answers).getEvents()) {
          String was = event.getPrevKV().getValue().isEmpty() ? "" : " was " + event.getPrevKV().getValue();
          events.add(event.getEventType() + " " + event.getKeyValue().getKey() + "=" + event.getKeyValue().getValue() + was);
        }
      }
      return events;
    }

    @Override
    public void close() {
      watcher.close();
    }
  }

  private WatchChecks() {}
}

import io.etcd.jetcd.ByteSequence;
import io.etcd.jetcd.Client;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Tries jetcd on the servers that are given. How a run is asked for and what is printed: ../checks.ts. */
final class Checks {
  /** Of each member, as a URL. */
  static List<String> endpoints;

  private static final boolean secured = System.getenv("CONCLAVE_TLS_FOLDER") != null;
  private static final BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
  private static final List<Check> all = new ArrayList<>();

  interface Body {
    void run(Client client) throws Exception;
  }

  private record Check(String name, String needs, Body body) {}

  static void check(String name, Body body) {
    check(name, "", body);
  }

  static void check(String name, String needs, Body body) {
    all.add(new Check(name, needs, body));
  }

  public static void main(String[] args) {
    endpoints = Arrays.stream(args[0].split(",")).map(each -> "http://" + each).toList();
    List<String> lacks = List.of(args[1].split(","));
    if (secured) {
      SecuredChecks.add();
    } else {
      KeyChecks.add();
      WatchChecks.add();
      LeaseChecks.add();
      ClusterChecks.add();
      CrashChecks.add();
      AuthChecks.add();
    }
    // A call that never returns is not to hold up the rest.
    ExecutorService threads = Executors.newCachedThreadPool();
    for (Check check : all) {
      say("begin", check.name());
      if (!check.needs().isEmpty() && lacks.contains(check.needs())) {
        say("skipped", "no " + check.needs());
        continue;
      }
      Future<?> run = threads.submit(() -> {
        try (Client client = secured ? SecuredChecks.connect("app", "authority") : connect()) {
          check.body().run(client);
        }
        return null;
      });
      try {
        run.get(150, TimeUnit.SECONDS);
        say("passed");
      } catch (ExecutionException failure) {
        say("failed", stack(failure.getCause()));
      } catch (TimeoutException | InterruptedException late) {
        say("failed", "it does not come to its end");
      }
    }
    System.out.println("[\"end\"," + all.size() + "]");
    System.out.flush();
    // Threads of what failed may still run.
    Runtime.getRuntime().halt(0);
  }

  static Client connect() {
    return Client.builder().endpoints(endpoints.toArray(String[]::new)).build();
  }

  /** Of one member, for what another may hear of later. */
  static Client connectToOne() {
    return Client.builder().endpoints(endpoints.get(0)).build();
  }

  static void ask(String what) throws Exception {
    say("ask", what);
    input.readLine();
  }

  private static void say(String... words) {
    StringBuilder line = new StringBuilder("[");
    for (String word : words) {
      line.append(line.length() == 1 ? "\"" : ",\"");
      for (char each : word.toCharArray()) {
        if (each == '"' || each == '\\') line.append('\\').append(each);
        else if (each < ' ') line.append(String.format("\\u%04x", (int) each));
        else line.append(each);
      }
      line.append('"');
    }
    System.out.println(line.append(']'));
  }

  private static String stack(Throwable failure) {
    StringWriter text = new StringWriter();
    failure.printStackTrace(new PrintWriter(text));
    return text.toString();
  }

  static ByteSequence bytes(String text) {
    return ByteSequence.from(text, StandardCharsets.UTF_8);
  }

  static <T> T ok(CompletableFuture<T> answer) throws Exception {
    return answer.get(30, TimeUnit.SECONDS);
  }

  static void equal(Object got, Object want) {
    if (!Objects.equals(got, want)) throw new AssertionError("got " + got + ", want " + want);
  }

  /** Asserts that the call fails with an error whose text, or that of a cause, contains this. */
  static void fails(CompletableFuture<?> answer, String text) throws Exception {
    try {
      Object got = ok(answer);
      throw new AssertionError("no error but " + got);
    } catch (ExecutionException failure) {
      says(failure, text);
    }
  }

  static void says(Throwable failure, String text) {
    for (Throwable each = failure; each != null; each = each.getCause()) {
      if (each.toString().contains(text)) return;
    }
    throw new AssertionError("not the error that says: " + text, failure);
  }

  static <T> T next(BlockingQueue<T> queue) throws Exception {
    T value = queue.poll(60, TimeUnit.SECONDS);
    if (value == null) throw new AssertionError("nothing came in time");
    return value;
  }

  interface Condition {
    boolean holds() throws Exception;
  }

  static void eventually(Condition condition) throws Exception {
    for (long end = System.nanoTime() + 60_000_000_000L; ; Thread.sleep(50)) {
      try {
        if (condition.holds()) return;
      } catch (ExecutionException | TimeoutException failure) {
        if (System.nanoTime() > end) throw failure;
      }
      if (System.nanoTime() > end) throw new AssertionError("did not become true in time");
    }
  }

  private Checks() {}
}

// Asks over topics and waits for the answers, by Spring's own template for it.
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.springframework.kafka.core.DefaultKafkaConsumerFactory;
import org.springframework.kafka.core.DefaultKafkaProducerFactory;
import org.springframework.kafka.listener.ContainerProperties;
import org.springframework.kafka.listener.KafkaMessageListenerContainer;
import org.springframework.kafka.requestreply.ReplyingKafkaTemplate;
import org.springframework.kafka.requestreply.RequestReplyFuture;
import org.springframework.kafka.support.TopicPartitionOffset;

public class Requester {
  // Arguments: servers, topic of requests, topic of replies, its partition or -1, count.
  public static void main(String[] args) throws Exception {
    var replies = container(args[0], args[2], Integer.parseInt(args[3]));
    var producers =
        new DefaultKafkaProducerFactory<>(
            Map.of("bootstrap.servers", (Object) args[0]),
            new StringSerializer(),
            new StringSerializer());
    var template = new ReplyingKafkaTemplate<String, String, String>(producers, replies);
    template.setDefaultReplyTimeout(Duration.ofSeconds(60));
    template.setReplyErrorChecker(
        reply -> {
          byte[] status = reply.headers().lastHeader("perdure-status").value();
          boolean isFailure = new String(status, StandardCharsets.UTF_8).equals("failure");
          return isFailure ? new IllegalStateException(String.valueOf(reply.value())) : null;
        });
    template.afterPropertiesSet();
    template.start();
    template.waitForAssignment(Duration.ofSeconds(30));
    ask(template, args[1], Integer.parseInt(args[4]));
    template.stop();
    template.destroy();
    producers.destroy();
    System.exit(0); // its scheduler has threads that stay
  }

  static KafkaMessageListenerContainer<String, String> container(
      String servers, String topic, int partition) {
    Map<String, Object> config =
        Map.of(
            "bootstrap.servers", servers,
            "group.id", "requester-" + topic,
            "auto.offset.reset", "earliest",
            "isolation.level", "read_committed");
    var consumers =
        new DefaultKafkaConsumerFactory<>(
            config, new StringDeserializer(), new StringDeserializer());
    var properties =
        partition < 0
            ? new ContainerProperties(topic)
            : new ContainerProperties(new TopicPartitionOffset(topic, partition));
    return new KafkaMessageListenerContainer<>(consumers, properties);
  }

  // Prints "<request> -> <partition> <reply>", or "<request> -> failed <message>".
  static void ask(ReplyingKafkaTemplate<String, String, String> template, String topic, int count)
      throws Exception {
    List<RequestReplyFuture<String, String, String>> asked = new ArrayList<>();
    for (int number = 0; number < count; number++) {
      var record = new ProducerRecord<>(topic, "key-" + number, "request-" + number);
      asked.add(template.sendAndReceive(record));
    }
    for (int number = 0; number < count; number++) {
      System.out.println("request-" + number + " -> " + answer(asked.get(number)));
    }
  }

  static String answer(RequestReplyFuture<String, String, String> asked) throws Exception {
    try {
      var reply = asked.get(60, TimeUnit.SECONDS);
      return reply.partition() + " " + reply.value();
    } catch (ExecutionException failed) {
      return "failed " + failed.getCause().getMessage();
    }
  }
}

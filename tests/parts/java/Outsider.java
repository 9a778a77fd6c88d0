// Writes records to one topic and reads what comes out of another, as any program in Java would.
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public class Outsider {
  public static void main(String[] args) throws Exception {
    String servers = args[0], source = args[1], target = args[2];
    int count = Integer.parseInt(args[3]), keys = Integer.parseInt(args[4]);
    produce(servers, source, target, count, keys);
    consume(servers, target, count);
  }

  // Prints "sent <partition> <key>" for each record.
  static void produce(String servers, String source, String target, int count, int keys)
      throws Exception {
    Map<String, Object> config = Map.of("bootstrap.servers", servers);
    try (var producer =
        new KafkaProducer<>(config, new StringSerializer(), new StringSerializer())) {
      for (int number = 0; number < count; number++) {
        String key = "schlüssel-" + number % keys;
        var record = new ProducerRecord<>(source, key, String.valueOf(number / keys));
        record.headers().add("to", target.getBytes(StandardCharsets.UTF_8));
        var sent = producer.send(record);
        if (number < keys) {
          System.out.println("sent " + sent.get().partition() + " " + key);
        }
      }
    }
  }

  // Prints "got <partition> <key> <value>" for each record up to the end of the topic.
  static void consume(String servers, String topic, int count) {
    Map<String, Object> config =
        Map.of(
            "bootstrap.servers", servers,
            "group.id", "outsider-" + topic,
            "auto.offset.reset", "earliest",
            "isolation.level", "read_committed");
    try (var consumer =
        new KafkaConsumer<>(config, new StringDeserializer(), new StringDeserializer())) {
      consumer.subscribe(List.of(topic));
      for (int seen = 0; seen < count || !isAtEnd(consumer); ) {
        for (var record : consumer.poll(Duration.ofMillis(200))) {
          seen++;
          System.out.println(
              "got " + record.partition() + " " + record.key() + " " + record.value());
        }
      }
    }
  }

  static boolean isAtEnd(KafkaConsumer<String, String> consumer) {
    var ends = consumer.endOffsets(consumer.assignment());
    return ends.entrySet().stream()
        .allMatch(end -> consumer.position(end.getKey()) >= end.getValue());
  }
}

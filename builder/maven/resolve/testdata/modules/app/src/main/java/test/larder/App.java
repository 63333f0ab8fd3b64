package test.larder;

public class App {
    public static void main(String[] args) {
        System.out.println(Sum.of(1, 2));
    }
}
